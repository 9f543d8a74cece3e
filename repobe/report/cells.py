"""Tables of the page: each cell has a text, a value to sort by, and a kind that the style sheet knows."""

import pandas as pd

from repobe.tables.schema import is_proportion
from repobe.verdicts.gates import plain

HEADINGS = {
    "interval": "95 % interval",
    "n": "images, trials or keys",
    "command": "re-run",
    "why": "gate not passed",
    "spread": "spread between seeds",
    "p_holm": "p (Holm)",
    "snr_db": "SNR (dB)",
    "snr_tap_db": "SNR at the tap (dB)",
    "snr_test_db": "SNR (dB)",
    "snr_train_db": "trained at SNR (dB)",
    "ssim": "SSIM",
    "psnr_db": "PSNR (dB)",
    "mse": "MSE",
    "floor_ssim": "SSIM of the mean image",
    "accuracy": "attacker's accuracy",
    "floor_accuracy": "accuracy of the mean image",
    "symbols_k": "channel uses k",
    "flops": "FLOPs",
    "peak_memory_mb": "peak memory (MB)",
    "train_seconds": "training (s)",
    "train_wall_seconds": "training, wall (s)",
    "spec_sha256": "config hash (SHA-256)",
    "data_sha256": "data (SHA-256)",
    "id": "",
    "allows": "the paper",
    "lead": "lead of the least favourable comparison",
}
VERDICTS = {
    "reproduced": "✓",
    "agrees": "✓",
    "not reproduced": "✗",
    "differs": "✗",
    "inconclusive": "?",
    "not run": "–",
}


def table(frame: pd.DataFrame, columns: list[str]) -> dict:
    """{headings, rows} of those columns that the frame has; a cell is {text, sort, kind}.

    The column `low` shows the interval from low to high. A `difference` of proportions is shown in percentage points.
    A frame's `command` becomes the last column.
    """
    shown = [name for name in columns if name in frame] + ["command"] * ("command" in frame)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    headings = [HEADINGS.get("interval" if name == "low" else name, name.replace("_", " ")) for name in shown]
    return {"headings": headings, "rows": [[_cell(name, row) for name in shown] for row in rows]}


def _cell(name: str, row: dict) -> dict:
    value = row[name]
    if name == "verdict":
        unqualified = plain(value)
        return {"text": f"{VERDICTS[unqualified]} {value}", "sort": unqualified, "kind": unqualified.replace(" ", "-")}
    if name == "low":
        return {"text": _interval(row, number), "sort": value, "kind": "interval"}
    if name in ("difference", "margin") and value is not None:
        return {"text": _difference(name, row), "sort": value, "kind": "interval"}
    if name in ("command", "claim", "evidence", "allows", "change", "run"):
        return {"text": number(value), "sort": value, "kind": name}
    if name in ("says", "but", "why"):
        return {"text": number(value), "sort": value, "kind": "text"}
    return {"text": number(value), "sort": value, "kind": "number" if isinstance(value, (int, float)) else ""}


def _difference(name: str, row: dict) -> str:
    """A signed difference or margin; a difference also shows its interval."""
    points = is_proportion(row.get("quantity") or "accuracy")
    as_text = _points if points else _signed
    text = as_text(row[name]) + (" points" if points else "")
    low, high = row.get("low"), row.get("high")
    if name == "margin" or low is None:
        return text
    # Beside a printed number, low and high bound our value. The printed number has no interval, so it only shifts ours.
    shift = row.get("printed", 0)
    return f"{text} ({_interval({'low': low - shift, 'high': high - shift}, as_text)})"


def number(value) -> str:
    """Four decimals, or none from 1,000 up; a dash for a missing value."""
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        if 0 < abs(value) < 0.00005:
            return f"{value:.1e}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _points(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


def _interval(row: dict, as_text) -> str:
    return "–" if row["low"] is None else f"{as_text(row['low'])} to {as_text(row['high'])}"
