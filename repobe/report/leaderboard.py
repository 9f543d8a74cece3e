"""The leaderboard: one row a method, for each dataset and channel, at the highest SNR that was tested."""

import pandas as pd

from repobe.report.saving import on_one_device
from repobe.report.styles import methods_in_order
from repobe.tables.schema import NO_ATTACKER, family

PAPER_EPS = 0.016  # Sec. 4.2; 4/255 = 0.0157 is the nearest radius of other attacks
NEAR = 0.001
SETTING = ["dataset", "channel"]
COSTS = ["image_size", "symbols_k", "parameters", "flops", "train_seconds", "images_per_second"]


def leaderboard(evasion: pd.DataFrame, inversion: pd.DataFrame, cost: pd.DataFrame) -> list[dict]:
    """[{dataset, channel, snr_db, classify, send}]: rows of methods that classify, and of methods that send images."""
    boards = []
    cost = on_one_device(cost)
    for (dataset, channel), runs in cost.groupby(SETTING, sort=False):
        here = evasion[(evasion["dataset"] == dataset) & (evasion["channel"] == channel)]
        heard = inversion[(inversion["dataset"] == dataset) & (inversion["channel"] == channel)]
        if here.empty:
            continue
        snr = here["snr_test_db"].max()
        costs = runs.drop_duplicates("method").set_index("method")
        rows = [
            {"method": name}
            | received(here[(here["method"] == name) & (here["snr_test_db"] == snr)])
            | leaked(heard[heard["method"] == name])
            | costs.loc[name, COSTS].to_dict()
            for name in methods_in_order(costs.index)
        ]
        table = pd.DataFrame(rows)
        sends = table["ssim"].notna()
        boards.append({
            "dataset": dataset, "channel": channel, "snr_db": snr,
            "classify": table[~sends].sort_values(["natural"], ascending=False), "send": table[sends],
        })  # fmt: skip
    return boards


def received(rows: pd.DataFrame) -> dict:
    """What the receiver of one method gets at one SNR: accuracy, accuracy under the worst attack, or SSIM and PSNR."""
    means = rows[rows["attack"] == "none"].set_index("metric")["mean"]
    found = {"natural": means.get("natural_accuracy"), "ssim": means.get("ssim"), "psnr_db": means.get("psnr_db")}
    near = near_paper(rows)
    if near.empty:
        return found | {"attacked": None, "attack": None, "attacked_n": None}
    # `worst` and `ensemble` count, image by image, every attack that ran; without them, the most harmful single attack.
    together = near[near["attack"].isin(["worst", "ensemble"])]
    worst = (together if len(together) else near).sort_values("mean").iloc[0]
    return found | {"attacked": worst["mean"], "attack": worst["attack"], "attacked_n": int(worst["n"])}


def near_paper(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of evasion.csv that are attacks of about the paper's radius, each once."""
    near = (rows["metric"] == "adversarial_accuracy") & ((rows["eps"] - PAPER_EPS).abs() < NEAR)
    return rows[near & (rows["attack"] != "paper_common")]


def leaked(rows: pd.DataFrame) -> dict:
    """The attacker whose images the classifier reads best at the highest SNR of the tap.

    Its accuracy, its name, and the mean image's accuracy.
    """
    read = rows[(rows["metric"] == "attacker_accuracy") & (rows["snr_tap_db"] == rows["snr_tap_db"].max())]
    read = read.groupby("attacker", sort=False)["mean"].mean()  # over the models of matched training
    attackers = read.drop(NO_ATTACKER, errors="ignore")
    if attackers.empty:
        return {"leak": None, "attacker": None, "floor_accuracy": None}
    best = attackers.idxmax()
    return {"leak": attackers[best], "attacker": family(best), "floor_accuracy": read.get("mean_image")}
