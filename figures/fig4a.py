"""Fig. 4a: natural and adversarial accuracy over SNR, mnist, awgn."""

from repobe.report.curves import accuracy_over_snr

if __name__ == "__main__":
    accuracy_over_snr(
        "fig4a",
        "mnist",
        "awgn",
        ["undefended", "repobe_adversarial"],
        ["natural_accuracy", "adversarial_accuracy"],
        beside=["adversarial_training", "trades"],
    )
