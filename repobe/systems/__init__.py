"""What is sent: transmitters and receivers, their networks, and the codes of the rivals.

How a system learns lives in `training`. It may import `cipher`, `images`, `phy` and `runs`.
"""
