"""Fig. 3b: accuracy at the legitimate receiver over SNR, mnist, rayleigh."""

from repobe.plots import lines

RIVALS = ["necst", "necst_dp_005", "necst_dp_01", "necst_dp_03", "necst_dp_05", "necst_dp_09", "ibal", "escst"]

if __name__ == "__main__":
    lines("fig3b", "mnist", "rayleigh", [*RIVALS, "repobe"], ["natural_accuracy"])
