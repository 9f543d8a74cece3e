"""The stages that Snakemake's rules call on a run, from its files to its tables, and the transmission of whole splits.

Training itself is in `training`, collecting tables in `tables`. This room may import `training`, `tables`,
`attacks` and every room below them.
"""
