"""Fig. 4d: adversarial accuracy over SNR, cifar10, rayleigh."""

from repobe.report.curves import accuracy_over_snr

METHODS = ["adversarial_training", "trades", "repobe_adversarial"]

if __name__ == "__main__":
    accuracy_over_snr("fig4d", "cifar10", "rayleigh", METHODS, ["adversarial_accuracy"])
