"""The paper against the measurements: numbers, claims, decisions, and the check that tables follow from raw rows.

Torch is never imported. This room may import `tables` and `runs`.
"""
