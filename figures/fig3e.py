"""Fig. 3e: what the keyless attacker rebuilds from each method, "ship" and "horse", and the legitimate user."""

from repobe.plots import gallery

if __name__ == "__main__":
    gallery(
        "fig3e",
        "cifar10",
        (8, 7),
        {
            "Attacker:\nIBAL": ("ibal", "keyless"),
            "Attacker:\nNECST": ("necst", "keyless"),
            "Attacker:\nNECST-DP0.9": ("necst_dp", "keyless"),
            "Attacker:\nRepObE": ("repobe_reconstruction", "keyless"),
            "Legitimate user:\nRepObE": ("repobe_reconstruction", "legitimate"),
        },
    )
