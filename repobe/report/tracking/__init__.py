"""The runs in MLflow; nothing downstream reads it. `runs.track` is the entry.

`store` opens a database or a server, `contents` is what MLflow shows of a run, `artifacts` its files. Only `store` and
`runs` import MLflow.
"""
