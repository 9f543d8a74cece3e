"""Fig. 4b: natural and adversarial accuracy over SNR, mnist, rayleigh."""

from repobe.report.curves import accuracy_over_snr

if __name__ == "__main__":
    accuracy_over_snr(
        "fig4b",
        "mnist",
        "rayleigh",
        ["undefended", "repobe_adversarial"],
        ["natural_accuracy", "adversarial_accuracy"],
        beside=["adversarial_training", "trades"],
    )
