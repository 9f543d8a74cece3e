"""Numbers that the page's sentences quote, and tables that join several rows of their files."""

import pandas as pd

from repobe.cipher.keyspace import log2_keys_effective
from repobe.report.cells import VERDICTS, number, shortened, table
from repobe.report.channel_uses import over_channel_uses
from repobe.report.display_names import joined
from repobe.report.headings import datasets_in_order, panel_title
from repobe.runs.grid import HALF
from repobe.tables.schema import family
from repobe.verdicts.verdict_text import plain, size_of

SHARED = ["commit", "device", "threads", "python", "torch", "torchvision"]  # of a run, told once for all runs


def counts(frame: pd.DataFrame) -> list[tuple[str, str, int, str]]:
    """(verdict, its sign, how many rows, the image sizes they were measured at), the favourable verdicts first."""
    given = frame["verdict"].map(plain)
    scales = {verdict: frame.loc[given == verdict, "scale"] for verdict in VERDICTS}
    return [
        (verdict, sign, len(scales[verdict]), _measured_at(scales[verdict]) if verdict != "not run" else "")
        for verdict, sign in VERDICTS.items()
        if len(scales[verdict])
    ]


def _measured_at(scales: pd.Series) -> str:
    """`at 32×32 and 64×64` of the column `scale`; what needs no images has no scale and is exact."""
    sizes = sorted({size_of(scale) for scale in scales.dropna()}, key=lambda size: int(size.partition("×")[0]))
    said = [f"at {joined(sizes)}"] if sizes else []
    return joined([*said, "exact"] if scales.isna().any() else said)


def sizes(cost: pd.DataFrame) -> list[tuple[str, str]]:
    """(dataset, the image sizes and channel uses of RepObE on it), for the head of the page."""
    said = []
    for dataset in datasets_in_order(cost["dataset"]):
        mine = cost[cost["dataset"] == dataset]
        ours = mine[mine["method"].isin(["repobe", "repobe_adversarial"])]
        pairs = (ours if len(ours) else mine)[["image_size", "symbols_k"]].drop_duplicates().itertuples(index=False)
        said.append((panel_title(dataset), " and ".join(f"{size}×{size}, k = {k:g}" for size, k in sorted(pairs))))
    return said


def rebuilt_images(inversion: pd.DataFrame) -> pd.DataFrame:
    """One row per attacker and method: SSIM, PSNR, MSE and accuracy, beside the mean image's as the floor."""
    key = [*_set(inversion), "dataset", "image_size", "channel", "method", "snr_train_db", "snr_tap_db", "attacker"]
    wide = inversion.pivot_table("mean", key, "metric", sort=False).reset_index()
    wide = wide.rename(columns={"attacker_accuracy": "accuracy"})
    for column in ("ssim", "psnr_db", "mse", "accuracy"):
        wide[column] = wide[column] if column in wide else float("nan")
    bounds = inversion[inversion["metric"] == "attacker_accuracy"][[*key, "low", "high", "seeds", "n"]]
    wide = wide.merge(bounds, on=key, how="left")
    floor = wide[wide["attacker"] == "mean_image"][[*key[:-1], "ssim", "accuracy"]]
    floor = floor.rename(columns={"ssim": "floor_ssim", "accuracy": "floor_accuracy"})
    wide = wide.merge(floor, on=key[:-1], how="left")
    last = ["ssim", "floor_ssim", "psnr_db", "mse", "accuracy", "low", "high", "floor_accuracy", "seeds", "n"]
    return wide[[*key, *last]]


def _repobe(methods: pd.Series) -> pd.Series:
    """Whether each label is RepObE's and trained to the end: a half only tells a gate (D32)."""
    return methods.str.startswith("repobe") & ~methods.str.endswith(HALF)


def leaks(rebuilt: pd.DataFrame) -> dict[str, dict]:
    """For each family of attackers: the row with the highest accuracy on RepObE, and on the undefended system."""
    found = {}
    for kind, rows in rebuilt.groupby(rebuilt["attacker"].map(family)):
        for name, mine in [
            (kind, rows[_repobe(rows["method"])]),
            (f"{kind}, undefended", rows[rows["method"] == "undefended"]),
        ]:
            read_by = mine[mine["accuracy"].notna()]
            if len(read_by):
                found[name] = read_by.loc[read_by["accuracy"].idxmax()].to_dict()
    return found


def withstood(evasion: pd.DataFrame) -> dict[str, dict]:
    """For each attack with a radius of at most 8/255: the row with RepObE's lowest accuracy."""
    rows = evasion[
        (evasion["metric"] == "adversarial_accuracy") & (evasion["eps"] > 0) & (evasion["eps"] <= 8.001 / 255)
    ]
    rows = rows[_repobe(rows["method"]) & (rows["attack"] != "paper_common")]  # rows of `paper` on fewer images
    found = {}
    for kind in ("paper", "strong", "autoattack", "keyless", "transfer", "square"):
        mine = rows[rows["attack"].str.startswith(kind)]
        if len(mine):
            found[kind] = mine.loc[mine["mean"].idxmin()].to_dict()
    return found


def channel_uses(evasion: pd.DataFrame) -> dict:
    """Natural accuracy over k: one row for each method and k, one column for each SNR."""
    rows = over_channel_uses(evasion)
    setting = ["dataset", "channel", "method", "image_size", "symbols_k", "seeds", "n"]
    wide = rows.pivot_table("mean", setting, "snr_test_db", sort=False).rename(columns=lambda snr: f"{snr:g} dB")
    wide = wide.reset_index()
    return table(wide, list(wide))


def cipher(audit: pd.DataFrame) -> dict:
    """The audit as four tables, and the few numbers that the threat model quotes."""
    audit = audit[~audit["method"].str.endswith(HALF, na=False)]  # half-trained runs say when to stop, not what leaks
    recovery = audit[audit["quantity"] == "key_recovered"]
    seconds = audit[audit["quantity"] == "recovery_seconds"]["mean"]
    run = [*_set(audit), "dataset", "image_size", "channel", "method", "snr_train_db", "grid"]
    setting = [*run, "schedule", "known_messages", "n"]
    reached = recovery[(recovery["dataset"] != "none") & (recovery["snr_db"] >= 7) & (recovery["known_messages"] == 1)]
    space = audit[audit["quantity"].str.startswith("log2_keys") & (audit["grid"] == "28x28")]
    told = audit[audit["quantity"].isin(["multiset_label_accuracy", "histogram_label_accuracy"])]
    wrong = audit[audit["quantity"] == "wrong_key_accuracy"]
    overheard = audit[audit["quantity"].str.startswith("ciphertext_only_")]
    counted = ["quantity", "grid", "mean", "n"]  # exact, so every folder counts the same
    return {
        "key_space": table(audit[audit["schedule"].isna() & audit["snr_db"].isna()].drop_duplicates(counted), counted),
        "recovery": _by_snr(recovery, setting),
        "overheard": _by_snr(overheard, ["quantity", *setting]),
        "multiset": table(
            audit[audit["quantity"].isin(["wrong_key_accuracy", "right_key_accuracy", *told["quantity"]])],
            [*run, "quantity", "snr_db", "mean", "low", "seeds", "n"],
        ),
        "cipher": {
            "slowest_ms": 1000 * seconds.max() if len(seconds) else None,
            "bits": dict(zip(space["quantity"].str.removeprefix("log2_keys_"), space["mean"], strict=True)),
            "recovered": {
                schedule: (rows["mean"].min(), rows["mean"].max()) for schedule, rows in reached.groupby("schedule")
            },
            "told": told.loc[told["mean"].idxmax()].to_dict() if len(told) else None,  # the highest accuracy
            "overheard": _overheard(audit),
            "wrong_key": (wrong["mean"].min(), wrong["mean"].max()) if len(wrong) else None,
            "wrong_keys": [
                {"grid": grid, "log2": log2_keys_effective(int(grid.split("x")[0])), "n": rows["n"].max()}
                | {"low": rows["mean"].min(), "high": rows["mean"].max()}
                for grid, rows in sorted(wrong.groupby("grid"), key=lambda pair: int(pair[0].split("x")[0]))
            ],
        },
    }


def _overheard(audit: pd.DataFrame) -> dict | None:
    """Among the rows with the most overheard messages, the one in which RepObE's receiver reads least.

    `right` and `wrong`: what it reads with the sender's key and with wrong keys.
    """
    rows = audit[audit["quantity"] == "ciphertext_only_accuracy"]
    rows = rows[rows["known_messages"] == rows["known_messages"].max()]
    rows = rows[_repobe(rows["method"].astype(str))]
    if rows.empty:
        return None
    least = rows.loc[rows["mean"].idxmin()]
    place = [*_set(audit), "dataset", "image_size", "channel", "method", "snr_train_db", "grid", "snr_db"]
    same = audit[(audit[place] == least[place]).all(axis=1)].set_index("quantity")["mean"]
    return least.to_dict() | {name: same.get(f"{name}_key_accuracy") for name in ("right", "wrong")}


def _by_snr(rows: pd.DataFrame, setting: list[str]) -> dict:
    """A table with one row for each setting, one column for each SNR, and the command that makes the row again."""
    wide = rows.pivot_table("mean", setting, "snr_db", sort=False).rename(columns=lambda snr: f"{snr:g} dB")
    wide = wide.reset_index()
    return table(wide.merge(rows.drop_duplicates(setting)[[*setting, "command"]], on=setting), list(wide))


def _set(frame: pd.DataFrame) -> list[str]:
    """The column with the folder's name, if a page shows several folders."""
    return ["set"] if "set" in frame else []


def about(provenance: pd.DataFrame) -> dict[str, str]:
    """About the runs: number, seeds, training time, code and machine."""
    seeds = sorted({run.rsplit("/seed", 1)[1].split("_")[0] for run in provenance["run"]}, key=int)
    told = {
        "runs": number(len(provenance)),
        "seeds": ", ".join(seeds),
        "training, wall": f"{provenance['train_wall_seconds'].sum() / 3600:.2f} hours in all",
    }
    for name in SHARED:
        if name in provenance:
            told[name] = ", ".join(sorted({shortened(str(value)) for value in provenance[name]}))
    return told


def runs(provenance: pd.DataFrame) -> dict:
    """The table of runs, without the columns that have one value which `about` tells."""
    same = [name for name in SHARED if name in provenance and provenance[name].nunique(dropna=False) == 1]
    rest = [name for name in provenance if name not in ("run", "set", *same)]
    return table(provenance, ["run", "set", *rest])
