"""Fig. 4d: adversarial accuracy over SNR, cifar10, rayleigh."""

from repobe.report.plots import lines

METHODS = ["adversarial_training", "trades", "repobe_adversarial"]

if __name__ == "__main__":
    lines("fig4d", "cifar10", "rayleigh", METHODS, ["adversarial_accuracy"])
