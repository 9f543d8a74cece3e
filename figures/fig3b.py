"""Fig. 3b: accuracy at the legitimate receiver over SNR, mnist, rayleigh."""

from repobe.report.curves import accuracy_over_snr

METHODS = ["necst", "necst_dp_005", "necst_dp_01", "necst_dp_03", "necst_dp_05", "necst_dp_09", "ibal", "escst"]
METHODS += ["repobe"]

if __name__ == "__main__":
    accuracy_over_snr("fig3b", "mnist", "rayleigh", METHODS, ["natural_accuracy"])
