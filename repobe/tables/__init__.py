"""Tables of results: schemas, statistics, per-image outcomes, gathering, summaries, merging.

Verdicts are in `verdicts`. Torch is never imported here. This room may import `runs`.
"""
