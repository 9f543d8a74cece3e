"""Fig. 3c: accuracy at the legitimate receiver over SNR, cifar10, rayleigh."""

from repobe.report.curves import accuracy_over_snr

METHODS = ["vae", "vae_128", "jpeg2000", "jpeg2000_ldpc", "repobe"]

if __name__ == "__main__":
    accuracy_over_snr("fig3c", "cifar10", "rayleigh", METHODS, ["natural_accuracy"])
