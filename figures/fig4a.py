"""Fig. 4a: natural and adversarial accuracy over SNR, mnist, awgn."""

from repobe.report.plots import lines

if __name__ == "__main__":
    lines(
        "fig4a",
        "mnist",
        "awgn",
        ["undefended", "repobe_adversarial"],
        ["natural_accuracy", "adversarial_accuracy"],
    )
