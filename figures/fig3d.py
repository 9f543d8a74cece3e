"""Fig. 3d: what the keyless attacker rebuilds from each method and the legitimate user sees, digits "3" and "4"."""

from repobe.report.galleries import COLUMNS, gallery

if __name__ == "__main__":
    gallery("fig3d", "mnist", (3, 4), COLUMNS)
