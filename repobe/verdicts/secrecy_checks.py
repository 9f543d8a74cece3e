"""Checks of claims about secrecy: the images that attackers rebuild, and the cipher."""

import math

import numpy as np
import pandas as pd

from repobe.tables.schema import AUDITED, NO_ATTACKER
from repobe.tables.selection import at
from repobe.tables.statistics import unpaired
from repobe.verdicts import paper
from repobe.verdicts.evidence import Tables, compared, missing, once
from repobe.verdicts.spread import binomial_sd, pooled, relative, scaled
from repobe.verdicts.tolerances import SSIM_TOLERANCE, tolerance

PLACE = ["channel", "method", "snr_train_db", "snr_tap_db", "seed"]


def leaks_less(tables: Tables, claim: dict) -> list[dict]:
    """The keyless attacker's SSIM or accuracy from the method is below that from every rival and the legitimate user's.

    So a picture is called clear if it is clearer than the attacker's, which is the weakest reading of that word.
    """
    others = {"the legitimate user": (claim["method"], "legitimate")} | {
        name: (name, "keyless") for name in claim["rivals"]
    }
    return _above_keyless(tables, claim, others, 0, claim["quantity"])


def rebuilds_less(tables: Tables, claim: dict) -> list[dict]:
    """For every rival, the keyless attacker's SSIM or accuracy exceeds that for the method by more than margin."""
    others = {name: (name, "keyless") for name in claim["rivals"]}
    return _above_keyless(tables, claim, others, claim["margin"], claim["quantity"])


def shows_nothing(tables: Tables, claim: dict) -> list[dict]:
    """The keyless attacker's SSIM or accuracy exceeds that of the mean image, which shows nothing, by less than margin.

    This is the paper's attacker; a note beside the verdict gives the accuracy of the best attacker.
    """
    others = {"the mean image": (claim["method"], "mean_image")}
    return _above_keyless(tables, claim, others, -claim.get("margin", SSIM_TOLERANCE), claim["quantity"]) + [
        note for channel in claim["channels"] for note in _best_attacker(tables.inversion, claim, channel)
    ]


def _unable(inversion: pd.DataFrame, claim: dict, channel: str, snr_db: float) -> str:
    """Why pictures that show little prove no secrecy: the decoder is not known to have learned. Empty if it is.

    An attacker that learned nothing shows nothing. with_key applies the very decoder of the keyless attacker to
    messages that it unshuffles with the key. Beyond the mean image, its pictures must show half of what the legitimate
    user's show, in SSIM; a classifier's user has no picture, so there they must show more than the tolerance (D31).
    """
    place = {"dataset": claim["dataset"], "channel": channel, "method": claim["method"]}
    rows = at(inversion, place | {"snr_tap_db": snr_db, "metric": "ssim"})
    nothing, learned, clear = rows.groupby("attacker")["value"].mean().reindex(["mean_image", "with_key", "legitimate"])
    if np.isnan([nothing, learned]).any():
        return "the attacker with_key or the mean image is missing, so nothing shows that the decoder has learned"
    if learned - nothing >= (SSIM_TOLERANCE if np.isnan(clear) else (clear - nothing) / 2):
        return ""
    beside = f"the mean image {nothing:.3f}" if np.isnan(clear) else f"the legitimate user {clear:.3f}"
    return f"given the key, the attacker's decoder reaches an SSIM of {learned:.3f}, {beside}"


def _above_keyless(
    tables: Tables, claim: dict, others: dict[str, tuple[str, str]], margin: float, quantity: str = "ssim"
) -> list[dict]:
    """Compares what each (method, attacker) rebuilds with the keyless attacker of the claim's method, by tap SNR."""
    comparisons = []
    every = tables.inversion
    every = every[(every["dataset"] == claim["dataset"]) & (every["metric"] == quantity)]
    blind = every[every["attacker"] == "mean_image"].groupby(PLACE)["value"].mean()
    every = every.assign(nothing=blind.reindex(pd.MultiIndex.from_frame(every[PLACE])).to_numpy())
    read = quantity == "attacker_accuracy"
    if read:
        # Pictures that are read less often than the mean image show no less than nothing. Tables have no standard
        # deviation for a proportion.
        every = every.assign(images_sd=(every["value"] * (1 - every["value"])) ** 0.5)
        every["value"] = np.fmax(every["value"], every["nothing"])
    for channel in claim["channels"]:
        rows = every[every["channel"] == channel]
        mine = rows[(rows["method"] == claim["method"]) & (rows["attacker"] == "keyless")]
        unable = {snr: _unable(tables.inversion, claim, channel, snr) for snr in mine["snr_tap_db"].unique()}
        for name, (method, attacker) in others.items():
            theirs = rows[(rows["method"] == method) & (rows["attacker"] == attacker)]
            pairs = _pairs(theirs, mine)
            pairs = pairs[pairs["snr_tap_db"].isin(paper.SNR_DB)]
            if pairs.empty:
                lacking = name if len(mine) else claim["method"]
                comparisons.append(missing(f"{lacking} over {channel}"))
                continue
            methods = list(dict.fromkeys([claim["method"], method]))
            # The mean image's spread of 0 would dilute that of the others.
            trained = every[every["attacker"].isin({"keyless", attacker} - {"mean_image"})]
            trained = relative(trained) if read else trained
            for snr in pairs["snr_tap_db"].unique():
                each = pairs[pairs["snr_tap_db"] == snr]
                variance = each["images_sd"] ** 2 / each["n"] + each["images_sd_mine"] ** 2 / each["n_mine"]
                sides = (each["value"], each["value_mine"])
                scale = [binomial_sd(side.mean(), int(each["n"].min())) if read else 1.0 for side in sides]
                scale = scale[1:] if attacker == "mean_image" else scale  # no training changes the mean image
                spread = scaled(pooled(trained, {"channel": channel, "snr_tap_db": snr}), *scale)
                # Older versions inverted other images, on which the mean image has another value.
                shift = (each["nothing"] - each["nothing_mine"]).fillna(0)
                gaps = (each["value"] - each["value_mine"] - shift).to_numpy()
                found = unpaired(gaps, variance.to_numpy(), margin, spread)
                about = {"quantity": quantity, "method": name, "rival": claim["method"], "channel": channel}
                images = int(each["n"].min())
                about |= {"snr_db": snr, "margin": margin, "unable": unable[snr]}
                passed = _passed(tables, claim, channel, methods, snr)
                comparisons.append(compared(found, len(each), images, passed, **about))
    return once(comparisons)


def _passed(tables: Tables, claim: dict, channel: str, methods: list[str], snr_db: float) -> dict:
    """The gates of a comparison of what leaks, and whether a classifier still learned (`Gates.settled`)."""
    gated = tables.gates.passed(claim["dataset"], channel, methods)
    return gated if gated["failed"] else gated | tables.gates.settled(claim["dataset"], channel, methods, snr_db)


def _pairs(theirs: pd.DataFrame, mine: pd.DataFrame) -> pd.DataFrame:
    """Their means beside mine (`_mine`), by tap SNR and seed."""
    if theirs.empty or mine.empty:
        return theirs.iloc[:0]  # at once: to pair empty tables takes as long as to pair small ones
    return _by_seed(theirs).merge(_by_seed(mine), on=["snr_tap_db", "seed"], suffixes=("", "_mine"))


def _by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """The means over trainings of one seed: a model for each training SNR is no second seed."""
    means = dict.fromkeys(["value", "nothing", "images_sd"], "mean")
    return rows.groupby(["snr_tap_db", "seed"], as_index=False).agg(means | {"n": "min"})


def _best_attacker(inversion: pd.DataFrame, claim: dict, channel: str) -> list[dict]:
    rows = inversion[(inversion["dataset"] == claim["dataset"]) & (inversion["channel"] == channel)]
    rows = rows[(rows["method"] == claim["method"]) & (rows["metric"] == "attacker_accuracy")]
    read_by = rows.groupby("attacker")["value"].mean()
    attackers = read_by.drop(NO_ATTACKER, errors="ignore")
    if attackers.empty:
        return []
    evidence = f"{channel}, beyond the paper's attacker: {attackers.idxmax()} reads the class of {attackers.max():.2f}"
    if "mean_image" in read_by:
        evidence += f" of its pictures, of the mean image {read_by['mean_image']:.2f}"
    return [{"outcome": "note", "evidence": evidence}]


def unread(tables: Tables, claim: dict) -> list[dict]:
    """With the key that an eavesdropper finds from overheard messages, the receiver reads at most the tolerance more
    than with a wrong key.

    The eavesdropper has the encoder and knows no message; all messages have one key (`ciphertext_only`). Of the numbers
    of overheard messages the largest counts. Both accuracies are means over keys, of the same images.
    """
    comparisons, margin = [], -tolerance(claim["dataset"])
    for channel in claim["channels"]:
        place = {"dataset": claim["dataset"], "channel": channel, "method": claim["method"]}
        wrong = at(tables.audit, place | {"quantity": "wrong_key_accuracy"})
        found = at(tables.audit, place | {"quantity": "ciphertext_only_accuracy"})
        pairs = wrong.merge(found, on=["snr_train_db", "snr_db", "seed"], suffixes=("", "_found"))
        pairs = pairs[pairs["snr_db"].isin(paper.SNR_DB)]
        most = pairs["known_messages_found"].max()
        pairs = pairs[pairs["known_messages_found"] == most]
        if pairs.empty:
            comparisons.append(missing(f"the eavesdropper of {claim['method']} over {channel}"))
        for snr, each in pairs.groupby("snr_db"):
            variance = sum(
                each[f"keys_sd{side}"] ** 2 / each[f"n{side}"]
                + each[f"value{side}"] * (1 - each[f"value{side}"]) / AUDITED
                for side in ("", "_found")
            )
            gap = unpaired((each["value"] - each["value_found"]).to_numpy(), variance.to_numpy(), margin, None)
            about = {"quantity": "ciphertext_only_accuracy", "method": "a wrong key", "channel": channel}
            about["rival"] = f"the key found from {most:g} overheard messages"
            passed = _passed(tables, claim, channel, [claim["method"]], snr)
            comparisons.append(compared(gap, len(each), AUDITED, passed, **about, snr_db=snr, margin=margin))
    return comparisons


def keys_counted(tables: Tables, claim: dict) -> list[dict]:
    """On every grid of up to 4×4 places, compares the number of tuples (K_r, K_c, r, c) with H'!·W'!·H'·W'."""
    rows = tables.audit[tables.audit["quantity"] == "distinct_ciphers"]
    if rows.empty:
        return [missing("the enumeration of keys")]
    sides = rows["grid"].str.split("x", expand=True).astype(int)
    counted = [math.factorial(h) * math.factorial(w) * h * w for h, w in sides.itertuples(index=False)]
    same = int((rows["n"] == counted).sum())
    evidence = f"as many tuples (K_r, K_c, r, c) as Eq. 12 counts on {same} of {len(rows)} grids, H·W read as H'·W'"
    return [{"outcome": "yes" if same == len(rows) else "no", "evidence": evidence}]


def keys_differ(tables: Tables, claim: dict) -> list[dict]:
    """Checks whether all these tuples give different permutations."""
    rows = tables.audit[tables.audit["quantity"] == "distinct_ciphers"]
    if rows.empty:
        return [missing("the enumeration of keys")]
    fewer = rows[rows["value"] < rows["n"]]
    counted = ", ".join(f"{r['grid']}: {r['value']:g} of {r['n']}" for r in fewer.to_dict("records"))
    evidence = f"keys that are distinct ciphers: all of them on {len(rows) - len(fewer)} of {len(rows)} grids"
    evidence += f", fewer on the others ({counted})" if counted else ""
    return [{"outcome": "yes" if fewer.empty else "no", "evidence": evidence}]


def inverted(tables: Tables, claim: dict) -> list[dict]:
    """Decryption inverts encryption, bit for bit."""
    rows = tables.audit[tables.audit["quantity"] == "roundtrip_errors"]
    if rows.empty:
        return [missing("the round trips")]
    errors, trials = rows["value"].sum(), rows["n"].sum()
    evidence = f"{errors:g} wrong positions in {trials} round trips; Eq. 11 read with K_r[i]"
    return [{"outcome": "yes" if errors == 0 else "no", "evidence": evidence}]
