"""Output for people: drawing of figures, the report page and its templates, and tracking with MLflow.

Torch is never imported; only `tracking` imports MLflow. This room may import `verdicts`, `tables` and `runs`, and from
`cipher` the size of the key space.
"""
