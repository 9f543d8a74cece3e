"""Transmitters and receivers: the paper's system, its networks, and the source codes of the rivals.

How a system learns lives in `training`. It may import `cipher`, `images`, `phy` and `runs`.
"""
