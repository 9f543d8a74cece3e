"""Tables of results: the schema of each, statistics, outcomes image by image, gathering, summaries, merging.

No verdict is given here, and torch is never imported. It may import `runs`.
"""
