"""What the paper says, beside what was measured: numbers, claims, decisions, and whether tables follow from raw rows.

Torch is never imported. It may import `tables` and `runs`.
"""
