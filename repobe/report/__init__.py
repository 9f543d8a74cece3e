"""What people look at: how figures are drawn, the report page and its templates, and tracking by MLflow.

Torch is never imported; MLflow only by `tracking`. It may import `verdicts`, `tables`, `runs`, and of `cipher` the size
of the key space.
"""
