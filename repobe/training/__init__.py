"""How a method learns: the Method interface, the losses, Algorithm 1, the training loop, the evaluation classifier.

Baselines live in `baselines/`, one file each. This room may import `attacks` and every room below it.
"""
