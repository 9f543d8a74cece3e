"""Fig. 3e: what the keyless attacker rebuilds from each method and the legitimate user sees, "ship" and "horse"."""

from repobe.report.galleries import gallery

COLUMNS = {
    "Attacker:\nIBAL": ("ibal_reconstruction", "keyless"),
    "Attacker:\nNECST": ("necst_reconstruction", "keyless"),
    "Attacker:\nNECST-DP0.9": ("necst_dp_09_reconstruction", "keyless"),
    "Attacker:\nRepObE": ("repobe_reconstruction", "keyless"),
    "Legitimate user:\nRepObE": ("repobe_reconstruction", "legitimate"),
}

if __name__ == "__main__":
    gallery("fig3e", "cifar10", (8, 7), COLUMNS)
