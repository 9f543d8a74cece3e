"""Fig. 4b: natural and adversarial accuracy over SNR, mnist, rayleigh."""

from repobe.report.plots import lines

if __name__ == "__main__":
    lines(
        "fig4b",
        "mnist",
        "rayleigh",
        ["undefended", "repobe_adversarial"],
        ["natural_accuracy", "adversarial_accuracy"],
    )
