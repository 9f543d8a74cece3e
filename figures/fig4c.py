"""Fig. 4c: adversarial accuracy over SNR, cifar10, awgn."""

from repobe.report.curves import accuracy_over_snr

METHODS = ["adversarial_training", "trades", "repobe_adversarial"]

if __name__ == "__main__":
    accuracy_over_snr("fig4c", "cifar10", "awgn", METHODS, ["adversarial_accuracy"])
