"""The paper's confusion offset (Sec. 3.2): the shuffle, its keys, and the size of the key space.

Attacks on the cipher live in `attacks`. It may import `runs`.
"""
