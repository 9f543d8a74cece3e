"""Attacks: adversarial examples, model inversion, and attacks on the cipher.

`stages` decides which attack runs on which run. This room may import `systems` and every room below it.
"""
