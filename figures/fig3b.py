"""Fig. 3b: accuracy at the legitimate receiver over SNR, mnist, rayleigh."""

from repobe.plots import lines

if __name__ == "__main__":
    lines("fig3b", "mnist", "rayleigh", ["necst", "necst_dp", "ibal", "escst", "repobe"], ["natural_accuracy"])
