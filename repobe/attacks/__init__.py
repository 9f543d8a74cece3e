"""What an enemy does: adversarial examples, model inversion, and attacks on the cipher.

Which attack meets which run is decided in `stages`. It may import `systems` and every room below it.
"""
