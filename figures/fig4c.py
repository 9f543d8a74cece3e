"""Fig. 4c: adversarial accuracy over SNR, cifar10, awgn."""

from repobe.plots import lines

if __name__ == "__main__":
    lines(
        "fig4c",
        "cifar10",
        "awgn",
        ["adversarial_training", "trades", "repobe_adversarial"],
        ["adversarial_accuracy"],
    )
