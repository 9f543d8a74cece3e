"""How close is close enough (D31 to D33)."""

from repobe.verdicts.paper import STAND_INS

TOLERANCE = {"mnist": 0.005, "cifar10": 0.02}  # D31: the largest difference of two accuracies that agree
SSIM_TOLERANCE = 0.02
DECIBEL_TOLERANCE = 0.5  # D32: the most that the second half of a training may gain of a reconstruction's validation
# D33: the most that the undefended network may lie below the printed accuracy.
COMPETENT = {"mnist": 0.02, "cifar10": 0.05}
ROUNDING = 1e-6  # validation scores are sums in single precision


def tolerance(dataset: str) -> float:
    """The tolerance for accuracies; a stand-in has that of the real dataset. ValueError if there is none."""
    dataset = next((real for real, stand_in in STAND_INS.items() if stand_in == dataset), dataset)
    if dataset not in TOLERANCE:
        raise ValueError(f"dataset '{dataset}' has no tolerance; add one to TOLERANCE in {__name__}, with its reason")
    return TOLERANCE[dataset]
