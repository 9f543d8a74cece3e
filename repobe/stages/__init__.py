"""What Snakemake's rules call on a trained run: evaluate, invert, audit, and how whole splits cross the air.

Tables are gathered in `tables`. It may import `training`, `tables`, `attacks` and every room below them.
"""
