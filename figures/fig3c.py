"""Fig. 3c: accuracy at the legitimate receiver over SNR, cifar10, rayleigh."""

from repobe.plots import lines

if __name__ == "__main__":
    lines("fig3c", "cifar10", "rayleigh", ["vae", "vae_128", "jpeg2000", "repobe"], ["natural_accuracy"])
