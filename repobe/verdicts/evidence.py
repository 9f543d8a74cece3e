"""One comparison of a claim, as a row: what was compared, its difference and interval, or that it has not run."""

from repobe.tables.statistics import Difference


def compared(found: Difference, seeds: int, images: int, **what) -> dict:
    """A comparison that was made, its outcome still open."""
    return {"outcome": "open", **what, **vars(found), "seeds": seeds, "images": images}


def missing(what: str) -> dict:
    """A comparison for which `what` has not run."""
    return {"outcome": "not run", "evidence": what}


def once(comparisons: list[dict]) -> list[dict]:
    """Without repetitions: what has not run is said once."""
    return [one for place, one in enumerate(comparisons) if one not in comparisons[:place]]
