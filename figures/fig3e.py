"""Fig. 3e: what the keyless attacker rebuilds from each method and the legitimate user sees, "ship" and "horse"."""

from repobe.report.galleries import COLUMNS, gallery

if __name__ == "__main__":
    gallery("fig3e", "cifar10", (8, 7), COLUMNS)
