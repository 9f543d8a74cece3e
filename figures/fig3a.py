"""Fig. 3a: accuracy at the legitimate receiver over SNR, mnist, awgn."""

from repobe.plots import lines

if __name__ == "__main__":
    lines("fig3a", "mnist", "awgn", ["necst", "necst_dp", "ibal", "escst", "repobe"], ["natural_accuracy"])
