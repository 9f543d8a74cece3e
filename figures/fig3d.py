"""Fig. 3d: what the keyless attacker rebuilds from each method and the legitimate user sees, digits "3" and "4"."""

from repobe.report.galleries import gallery

COLUMNS = {
    "Keyless attacker:\nIBAL": ("ibal_reconstruction", "keyless"),
    "Keyless attacker:\nNECST": ("necst_reconstruction", "keyless"),
    "Keyless attacker:\nNECST-DP0.9": ("necst_dp_09_reconstruction", "keyless"),
    "Keyless attacker:\nRepObE": ("repobe_reconstruction", "keyless"),
    "Legitimate user:\nRepObE": ("repobe_reconstruction", "legitimate"),
}

if __name__ == "__main__":
    gallery("fig3d", "mnist", (3, 4), COLUMNS)
