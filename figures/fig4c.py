"""Fig. 4c: adversarial accuracy over SNR, cifar10, awgn."""

from repobe.report.plots import lines

METHODS = ["adversarial_training", "trades", "repobe_adversarial"]

if __name__ == "__main__":
    lines("fig4c", "cifar10", "awgn", METHODS, ["adversarial_accuracy"])
