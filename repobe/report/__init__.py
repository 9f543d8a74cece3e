"""What people look at: figures' common style, the report page and its templates, and tracking by MLflow.

Torch is never imported; MLflow only by `tracking`. It may import `verdicts`, `tables` and `runs`.
"""
