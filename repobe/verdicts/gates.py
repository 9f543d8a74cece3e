"""The gates before a verdict: the methods are trained, the network is competent, the image size is stated.

They are computed from the tables alone (D31 to D33).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from repobe.runs.grid import HALF
from repobe.tables.outcomes import ATTACKS
from repobe.tables.selection import at
from repobe.verdicts import paper
from repobe.verdicts.tolerances import COMPETENT, DECIBEL_TOLERANCE, ROUNDING, tolerance

TRAINING_KEY = ["snr_train_db", "seed"]  # what tells the trainings of one method apart
TRAINING_IMAGES = {
    "mnist": 55_000,
    "cifar10": 45_000,
}  # D32; without validation images (images.datasets.VALIDATION)
COLUMNS = ["trained", "competent", "scale"]
GAINS = ["gain", "rival_gain"]  # what the second half of its training brought each side of a comparison


@dataclass(frozen=True)
class Gate:
    """state: yes, no or unknown. why: a clause that explains a state other than yes."""

    state: str
    why: str = ""


@dataclass(frozen=True)
class Gates:
    """Evaluates the gates from history.csv, cost.csv, evasion.csv and `outcomes.images_of`, the images of each test."""

    history: pd.DataFrame
    cost: pd.DataFrame
    evasion: pd.DataFrame
    images: pd.DataFrame
    # Comparisons share methods, so each setting is judged once.
    _passed: dict[tuple[str, ...], dict] = field(default_factory=dict, init=False, repr=False)
    _trained: dict[tuple[str, ...], Gate] = field(default_factory=dict, init=False, repr=False)
    _gains: dict[tuple, float] = field(default_factory=dict, init=False, repr=False)

    def trained(self, dataset: str, channel: str, method: str) -> Gate:
        """Whether the tables say what more training would bring: whether a training of half the length is beside it.

        What the second half brought is `gain`, and each comparison weighs it (`passed`, `reach`; D32). A reconstruction
        may have gained at most 0.5 dB of validation.
        """
        training = (dataset, channel, method)
        if training not in self._trained:
            self._trained[training] = self._training(*training)
        return self._trained[training]

    def _training(self, dataset: str, channel: str, method: str) -> Gate:
        place = {"dataset": dataset, "channel": channel, "method": method}
        if self._nothing_to_train(place):
            return Gate("yes")
        whole = _runs(self.history, self.cost, place)
        if whole.empty:
            return Gate("unknown", f"these tables have no history of {method}")
        half = self._half(place, whole)
        if half.empty:
            return Gate("no", f"{method} has no training of half the epochs beside it")
        fewer = {name: half[name].max() <= whole[name].min() // 2 for name in ("epochs", "images")}
        used, every = whole["images"].min(), TRAINING_IMAGES.get(dataset, 0)
        if used < every and not fewer["images"]:
            of = f"{used:,.0f} of {every:,} images"
            return Gate("no", f"{method} was trained on {of}, with no training on half of them beside it")
        if not any(fewer.values()):
            lengths = f"{half['epochs'].max():g} epochs against {whole['epochs'].min():g}"
            return Gate("no", f"{method}{HALF} is not half as long as {method}: {lengths}")
        gain = _mean_gain(whole["score"], half["score"])
        if whole["decibels"].all() and not gain <= DECIBEL_TOLERANCE + ROUNDING:
            return Gate("no", f"the second half of its training gained {method} {gain:.1f} dB of validation")
        return Gate("yes")

    def gain(self, dataset: str, channel: str, method: str, snr_db: float, quantity: str) -> float:
        """What the second half of a training gained in accuracy on the test images at an SNR, a mean over seeds.

        Below 0 if it lost; NaN if there is no training of half the length, or if it was not tested so, on the same
        images: under attack two samples of 500 can differ by more than two trainings.
        """
        setting = (dataset, channel, method, snr_db, quantity)
        if setting not in self._gains:
            self._gains[setting] = self._gain(*setting)
        return self._gains[setting]

    def _gain(self, dataset: str, channel: str, method: str, snr_db: float, quantity: str) -> float:
        place = {"dataset": dataset, "channel": channel, "method": method}
        if self._nothing_to_train(place):
            return 0.0
        tested = {"attack": ATTACKS[quantity], "snr_test_db": snr_db}
        both = [place | {"method": one} | tested for one in (method, method + HALF)]
        whole, half = (
            at(self.evasion, one | {"metric": quantity}).groupby(TRAINING_KEY)["value"].mean() for one in both
        )
        seen, again = (at(self.images, one).set_index(TRAINING_KEY)["images"].reindex(whole.index) for one in both)
        return _mean_gain(whole[seen == again], half)

    def _nothing_to_train(self, place: dict) -> bool:
        costs = at(self.cost, place)
        return len(costs) > 0 and bool((costs["parameters"] == 0).all())

    def _half(self, place: dict, whole: pd.DataFrame) -> pd.DataFrame:
        """The trainings of half the length of `whole`, of the same seeds."""
        half = _runs(self.history, self.cost, place | {"method": place["method"] + HALF})
        return half[half.index.isin(whole.index)]

    def competent(self, dataset: str, channel: str) -> Gate:
        """Whether the undefended network, or RepObE (the same network), comes close to the printed accuracy."""
        printed = paper.network_accuracy(dataset, channel)
        for method in ("undefended", "repobe"):
            rows = at(self.evasion, {"dataset": dataset, "channel": channel, "method": method})
            rows = rows[(rows["metric"] == "natural_accuracy") & rows["snr_test_db"].isin(paper.SNR_DB)]
            if len(rows) and printed is not None:
                ours = rows.groupby("snr_test_db")["value"].mean().max()  # means over seeds, at the best SNR
                why = f"the accuracy of {method} is at most {ours:.3f}; the paper prints {printed:.4f} of that network"
                return Gate("yes") if ours >= printed - COMPETENT[dataset] - ROUNDING else Gate("no", why)
        return Gate("unknown", f"no undefended network of {dataset} over {channel} to compare with the paper's")

    def scale(self, dataset: str, channel: str, methods: list[str]) -> tuple[int | None, str]:
        """(S, a phrase with S and k beside the paper's) for the methods of a comparison."""
        rows = pd.concat([at(self.cost, {"dataset": dataset, "channel": channel, "method": one}) for one in methods])
        if rows.empty:
            return None, ""
        size = int(rows["image_size"].min())
        k = " and ".join(str(one) for one in dict.fromkeys(rows["symbols_k"].astype(int)))
        return size, f"{size}×{size}, k = {k}; the paper {paper.SIZE}×{paper.SIZE}, k = {paper.K}"

    def passed(
        self, dataset: str, channel: str, methods: list[str], quantity: str = "", snrs_db: Sequence[float] = ()
    ) -> dict:
        """The gates' columns, S as `size`, the columns GAINS, and two that are empty if all gates pass.

        `failed` holds the words that replace a verdict, `why` the reason. quantity and snrs_db: where accuracies are
        compared, which one, and the SNR of each method; elsewhere GAINS are None. `unfinished`: why one of them was not
        trained to its end, which leaves no verdict against the paper; else empty.
        """
        asked = (dataset, channel, *dict.fromkeys(methods))
        if asked not in self._passed:
            self._passed[asked] = self._judged(dataset, channel, list(asked[2:]))
        passed = self._passed[asked] | dict.fromkeys(GAINS) | {"unfinished": ""}
        if not snrs_db:
            return passed
        sides = list(zip(methods, snrs_db, strict=True))
        gains = [self.gain(dataset, channel, *side, quantity) for side in sides]
        passed |= dict(zip(GAINS, gains, strict=False))  # a printed number has no rival
        if passed["failed"]:
            return passed
        natural = gains
        if quantity != "natural_accuracy":
            natural = [self.gain(dataset, channel, *side, "natural_accuracy") for side in sides]
        if untested := [one for one, *each in zip(sides, gains, natural, strict=True) if np.isnan(each).any()]:
            (method, snr_db), attacked = untested[0], quantity == "adversarial_accuracy"
            how = f"{'under attack on the same images ' if attacked else ''}at {snr_db:g} dB"
            return passed | not_trained(f"{method}{HALF} was not tested {how}")
        within = tolerance(dataset) + ROUNDING
        for method, gained in zip(methods, natural, strict=True):
            if gained > within:
                passed["unfinished"] = _still_learned(method, gained, within)
        return passed

    def settled(self, dataset: str, channel: str, methods: list[str], snr_db: float) -> dict:
        """The columns that close a comparison of what leaks, because a classifier still learned; none if all settled.

        No table says how much leaks after longer training. So the second half of the training may have gained a
        classifier at most the tolerance at the SNR of the tap (D32). For reconstructions, `trained` requires it.
        """
        within = tolerance(dataset) + ROUNDING
        for method in methods:
            place = {"dataset": dataset, "channel": channel, "method": method}
            scores = at(self.history, place)["validation_score"]
            if len(scores) and _is_error(scores):
                continue
            gained = self.gain(dataset, channel, method, snr_db, "natural_accuracy")
            if np.isnan(gained):
                return not_trained(f"{method}{HALF} was not tested at {snr_db:g} dB")
            if gained > within:
                return not_trained(_still_learned(method, gained, within))
        return {}

    def _judged(self, dataset: str, channel: str, methods: list[str]) -> dict:
        size, scale = self.scale(dataset, channel, methods)
        if dataset in paper.STAND_INS.values():
            columns = {"trained": "unknown", "competent": "unknown", "scale": scale}
            return columns | {"failed": "stand-in", "why": f"{dataset} is not the paper's (D15)", "size": size}
        trainings = [self.trained(dataset, channel, method) for method in methods]
        trained = next((gate for state in ("no", "unknown") for gate in trainings if gate.state == state), Gate("yes"))
        competent = self.competent(dataset, channel)
        words = {"no": "not trained", "unknown": "training unknown", "yes": ""}[trained.state]
        words = words or {"no": "not competent", "unknown": "competence unknown", "yes": ""}[competent.state]
        why = "; ".join(gate.why for gate in (trained, competent) if gate.why)
        columns = {"trained": trained.state, "competent": competent.state, "scale": scale}
        return columns | {"failed": words, "why": why, "size": size}


def _runs(history: pd.DataFrame, cost: pd.DataFrame, place: dict) -> pd.DataFrame:
    """The trainings at a place, by TRAINING_KEY: epochs, images an epoch, best validation score, and if in dB."""
    rows, costs = at(history, place), at(cost, place)
    runs = rows.groupby(TRAINING_KEY).agg(epochs=("epoch", "max"), score=("validation_score", "max"))
    runs["decibels"] = rows.groupby(TRAINING_KEY)["validation_score"].agg(_is_error)
    runs["score"] = runs["score"].where(~runs["decibels"], -10 * np.log10(np.maximum(-runs["score"], 1e-12)))
    passes = costs["images_per_second"] * costs["train_seconds"]  # images, one count for each epoch
    passes = passes.groupby([costs[name] for name in TRAINING_KEY]).min()
    runs["images"] = (passes.reindex(runs.index) / runs["epochs"]).round()
    return runs


def reach(quantity: str, gain: float | None) -> tuple[float, float]:
    """(down, up): how far an accuracy would move if as much came again as the second half of its training brought.

    Longer training may raise or lower adversarial accuracy. A loss of natural accuracy counts as no gain. None: (0, 0).
    """
    if gain is None:
        return 0.0, 0.0
    return (abs(gain), abs(gain)) if quantity == "adversarial_accuracy" else (0.0, max(gain, 0.0))


def not_trained(why: str) -> dict:
    """The columns of a comparison that the gate `trained` closes."""
    return {"trained": "no", "failed": "not trained", "why": why}


def _still_learned(method: str, gained: float, within: float) -> str:
    points = f"{100 * gained:.2f} points of natural accuracy there, more than {100 * within:.1f}"
    return f"the second half of its training gained {method} {points}"


def _mean_gain(whole: pd.Series, half: pd.Series) -> float:
    """The mean of whole − half over the trainings of both; NaN if there are none."""
    return float((whole - half).mean())


def _is_error(score: pd.Series) -> bool:
    """Whether a training's validation scores are −MSE, which is never above 0, instead of accuracies."""
    return bool(score.max() <= 0 and score.min() < 0)
