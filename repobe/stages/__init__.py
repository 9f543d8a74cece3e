"""What Snakemake's rules call on a run, from its files to its tables; and how whole splits cross the air.

How a method learns lives in `training`, how tables are gathered in `tables`. It may import `training`, `tables`,
`attacks` and every room below them.
"""
