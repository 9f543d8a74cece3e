"""The gates before a verdict: the methods are trained, the network is competent, the image size is stated.

They are computed from the tables alone (D31 to D33).
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from repobe.verdicts import paper

# D31: the largest difference of two accuracies that agree.
TOLERANCE = {"mnist": 0.005, "cifar10": 0.02}
SSIM_TOLERANCE = 0.02
# D32: in the last tenth of a training (at least one validation), the score gains at most the tolerance (in dB for
# reconstruction) and at most a twentieth of its whole rise, which is half of what a steady rise would gain there.
LAST, SHARE, DECIBEL_TOLERANCE = 10, 0.05, 0.5
HALF = "_half"  # of a label: the same method, trained for half as many epochs, or on half as many images (D30)
TRAINING_IMAGES = {"mnist": 55_000, "cifar10": 45_000}  # without the 5,000 that are kept for validation (D4)
# D33: the most that the undefended network may lie below the printed accuracy.
COMPETENT = {"mnist": 0.02, "cifar10": 0.05}
PAPER_SIZE, PAPER_K = 224, 1568  # Sec. 3.1: 4×28×28 real features are 1,568 complex symbols (D13)
ROUNDING = 1e-6  # validation scores are sums in single precision
COLUMNS = ["trained", "competent", "scale"]
STAND_INS = {"mnist": "digits", "cifar10": "digits_rgb"}  # D15: replacements for the paper's datasets


@dataclass(frozen=True)
class Gate:
    """state: yes, no or unknown. why: a clause that explains a state other than yes."""

    state: str
    why: str = ""


@dataclass(frozen=True)
class Gates:
    """Evaluates the gates from history.csv, cost.csv and evasion.csv."""

    history: pd.DataFrame
    cost: pd.DataFrame
    evasion: pd.DataFrame
    _passed: dict[tuple[str, ...], dict] = field(default_factory=dict, init=False, repr=False)

    def trained(self, dataset: str, channel: str, method: str) -> Gate:
        """Whether more training could change a verdict: whether the validation score has levelled off, over all runs.

        If the tables have the same method trained for half as many epochs, what the second half gained decides. A
        training on a part of the dataset's training images needs one on half as many images, which decides.
        """
        place = {"dataset": dataset, "channel": channel, "method": method}
        rows, costs = _at(self.history, place), _at(self.cost, place)
        if len(costs) and (costs["parameters"] == 0).all():
            return Gate("yes")  # nothing to train
        if rows.empty:
            return Gate("unknown", f"these tables have no history of {method}")
        scores = _scores(rows)
        half = place | {"method": method + HALF}
        half_rows = _at(self.history, half)
        halves = _scores(half_rows)
        decibels = _is_error(scores[0])
        allowed = DECIBEL_TOLERANCE if decibels else tolerance(dataset)
        images, every = _images(rows, costs), TRAINING_IMAGES.get(dataset, 0)
        if images < every and not (halves and _images(half_rows, _at(self.cost, half)) <= -(-images // 2)):
            why = f"{method} was trained on {images:,} of {every:,} images, with no training on half of them beside it"
            return Gate("no", why)
        if halves:
            gain = np.mean([_levels(one).max() for one in scores]) - np.mean([_levels(one).max() for one in halves])
            if gain <= allowed + ROUNDING:
                return Gate("yes")
            share = "images" if images < every else "epochs"
            why = f"{method} gained {_said(gain, decibels)} of validation over a training of half the {share}"
            return Gate("no", why)
        if min(len(score) for score in scores) < 2:
            return Gate("no", f"{method} was validated once, which shows no end of its rise")
        gain, whole = np.mean([rises(score) for score in scores], axis=0)
        if gain <= min(allowed, SHARE * whole) + ROUNDING:
            return Gate("yes")
        said = [_said(value, decibels) for value in (gain, whole)]
        epochs = rows["epoch"].drop_duplicates().to_numpy()
        since = epochs[-1 - max(1, len(epochs) // LAST)]
        return Gate(
            "no", f"{method} gained {said[0]} of its {said[1]} of validation after epoch {since:.3g} of {epochs[-1]:g}"
        )

    def competent(self, dataset: str, channel: str) -> Gate:
        """Whether the undefended network, or RepObE (the same network), comes close to the printed accuracy."""
        printed = _printed(dataset, channel)
        for method in ("undefended", "repobe"):
            rows = _at(self.evasion, {"dataset": dataset, "channel": channel, "method": method})
            rows = rows[rows["metric"] == "natural_accuracy"]
            if len(rows) and printed is not None:
                ours = rows.groupby("snr_test_db")["value"].mean().max()  # means over seeds, at the best SNR
                why = f"{method} reads at most {ours:.3f}, where the paper prints {printed:.4f} of that network"
                return Gate("yes") if ours >= printed - COMPETENT[dataset] - ROUNDING else Gate("no", why)
        return Gate("unknown", f"no undefended network of {dataset} over {channel} to compare with the paper's")

    def scale(self, dataset: str, channel: str, methods: list[str]) -> tuple[int | None, str]:
        """(S, a phrase with S and k beside the paper's) for the methods of a comparison."""
        rows = pd.concat([_at(self.cost, {"dataset": dataset, "channel": channel, "method": one}) for one in methods])
        if rows.empty:
            return None, ""
        size = int(rows["image_size"].min())
        k = " and ".join(str(one) for one in dict.fromkeys(rows["symbols_k"].astype(int)))
        return size, f"{size}×{size}, k = {k}; the paper {PAPER_SIZE}×{PAPER_SIZE}, k = {PAPER_K}"

    def passed(self, dataset: str, channel: str, methods: list[str]) -> dict:
        """The gates' columns, S as `size`, and two that are empty if all gates pass.

        `failed` holds the words that replace a verdict, `why` the reason.
        """
        asked = (dataset, channel, *dict.fromkeys(methods))
        if asked not in self._passed:
            self._passed[asked] = self._judged(dataset, channel, list(asked[2:]))
        return dict(self._passed[asked])

    def _judged(self, dataset: str, channel: str, methods: list[str]) -> dict:
        if dataset in STAND_INS.values():
            size, scale = self.scale(dataset, channel, methods)
            columns = {"trained": "unknown", "competent": "unknown", "scale": scale}
            return columns | {"failed": "stand-in", "why": f"{dataset} is not the paper's (D15)", "size": size}
        trainings = [self.trained(dataset, channel, method) for method in methods]
        trained = next((gate for state in ("no", "unknown") for gate in trainings if gate.state == state), Gate("yes"))
        competent = self.competent(dataset, channel)
        size, scale = self.scale(dataset, channel, methods)
        words = {"no": "not trained", "unknown": "training unknown", "yes": ""}[trained.state]
        words = words or {"no": "not competent", "unknown": "competence unknown", "yes": ""}[competent.state]
        why = "; ".join(gate.why for gate in (trained, competent) if gate.why)
        columns = {"trained": trained.state, "competent": competent.state, "scale": scale}
        return columns | {"failed": words, "why": why, "size": size}


def rises(score: np.ndarray) -> tuple[float, float]:
    """(gain of the last tenth over the best score before it, rise of the best score over the first).

    score: Float[validations], accuracy, or −MSE for reconstruction, whose rises are in dB. A fall counts as 0.
    """
    score = _levels(score)
    last = max(1, len(score) // LAST)
    best = score[-last:].max()
    return max(0.0, float(best - score[:-last].max())), max(0.0, float(score.max() - score[0]))


def _images(rows: pd.DataFrame, costs: pd.DataFrame) -> int:
    """The number of images in an epoch, from a training's rows of history.csv and of cost.csv."""
    passes = costs["images_per_second"] * costs["train_seconds"]  # images, one count for each epoch
    return round(passes.min() / rows["epoch"].max())


def _scores(rows: pd.DataFrame) -> list[np.ndarray]:
    """The validation scores of each run."""
    return [run["validation_score"].to_numpy() for _, run in rows.groupby(["snr_train_db", "seed"], sort=False)]


def _levels(score: np.ndarray) -> np.ndarray:
    """Accuracies as they are; −MSE in dB."""
    return -10 * np.log10(np.maximum(-score, 1e-12)) if _is_error(score) else score


def _said(gain: float, decibels: bool) -> str:
    return f"{gain:.1f} dB" if decibels else f"{100 * gain:.1f} points"


def _is_error(score: np.ndarray) -> bool:
    """Whether a validation score is −MSE, which is never above 0, instead of an accuracy."""
    return score.max() <= 0 and score.min() < 0


def tolerance(dataset: str) -> float:
    """The tolerance for accuracies; a stand-in has that of the real dataset. ValueError if there is none."""
    dataset = next((real for real, stand_in in STAND_INS.items() if stand_in == dataset), dataset)
    if dataset not in TOLERANCE:
        raise ValueError(f"dataset '{dataset}' has no tolerance; add one to TOLERANCE in {__name__}, with its reason")
    return TOLERANCE[dataset]


def at_scale(verdict: str, sizes: set[int]) -> str:
    """A verdict, with the image size that it holds at if that is below the paper's."""
    small = sorted(size for size in sizes if size < PAPER_SIZE)
    return verdict + (f", at {' and '.join(f'{size}×{size}' for size in small)}" if small else "")


def size_of(scale: str) -> str:
    """`32×32` of the column `scale`, as in `32×32, k = 32; the paper 224×224, k = 1568`."""
    return scale.partition(",")[0]


def plain(verdict: str) -> str:
    """The verdict without the size or the gate that qualifies it."""
    return verdict.partition(",")[0].partition(":")[0]


def _printed(dataset: str, channel: str) -> float | None:
    """The highest natural accuracy that the paper prints for its network: undefended, else RepObE.

    If it prints none over this channel, the value for the other channel.
    """
    rows = paper.numbers()
    rows = rows[(rows["dataset"] == dataset) & (rows["quantity"] == "natural_accuracy")]
    for method in ("undefended", "repobe"):
        mine = rows[rows["method"] == method]
        over = mine[mine["channel"] == channel]
        if len(mine):
            return float((over if len(over) else mine)["value"].max())
    return None


def _at(frame: pd.DataFrame, place: dict) -> pd.DataFrame:
    return frame[np.logical_and.reduce([frame[column] == value for column, value in place.items()])]
