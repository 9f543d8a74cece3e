"""Tables of the page: each cell has a text, a value to sort by, and a kind that the style sheet knows.

A long table has its first rows in the page's HTML and the others as JSON, which the page's script turns into rows when
a reader comes near them.
"""

import json
import re
from typing import Any

import pandas as pd

from repobe.report.display_names import SPELLED, scaled
from repobe.tables.schema import is_proportion
from repobe.verdicts.verdict_text import plain

AT_ONCE = 40  # rows in the HTML; a longer table loads its others when a reader comes near them
HEADINGS = {
    "interval": "95 % interval",
    "n": "images, trials or keys",
    "command": "measure it again",
    "why": "gate not passed",
    "scale": "size (the paper 224×224, k = 1568)",
    "what": "the number",
    "measured": "measured on",
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
    "images_per_second": "images/s",
    "spec_sha256": "config hash (SHA-256)",
    "data_sha256": "data (SHA-256)",
    "id": "",
    "allows": "the paper",
    "lead": "lead of the least favourable comparison",
    "printed": "the paper",
    "attacked_n": "images attacked",
    "leak": "leakage",
}
VERDICTS = {
    "reproduced": "✓",
    "agrees": "✓",
    "not reproduced": "✗",
    "differs": "✗",
    "inconclusive": "?",
    "not run": "–",
}
# Accuracies and SSIM keep four digits, so that columns align and 0.9920 is not 0.992.
# So do the columns "7 dB", "15 dB" … of accuracies and of keys found.
FRACTIONS = {"printed", "ours", "mean", "variant", "reference", "lead", "natural", "attacked", "leak"}
FRACTIONS |= {"accuracy", "floor_accuracy", "ssim", "floor_ssim", "mse"}
SHORT = {"parameters", "flops"}
# Quantities of the cipher in the column `mean` that are no fractions.
COUNTED = ("distinct_ciphers", "log2_keys", "roundtrip_errors", "chosen_messages")
DIGESTS = {"spec_sha256", "data_sha256", "commit"}
SHOWN_DIGITS = 12  # enough to find a commit or a config; the files have all digits
ROUND = {"train_seconds", "train_wall_seconds", "images_per_second", "peak_memory_mb"}
LONG = {"command", "claim", "allows", "change", "run", "says", "but", "why", "what", "where", "reading"}
LONG |= {"comparison", "measured"}


def table(frame: pd.DataFrame, columns: list[str]) -> dict:
    """{headings, rows, more, total} of those columns that the frame has; a cell is {text, sort, kind}.

    The column `low` shows the interval from low to high. A `difference` of proportions is shown in percentage points.
    A frame's `command` becomes the last column. `more` is the JSON of the rows beyond the first AT_ONCE.
    """
    shown = [name for name in columns if name in frame] + ["command"] * ("command" in frame)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    headings = [HEADINGS.get("interval" if name == "low" else name, name.replace("_", " ")) for name in shown]
    cells = [[_cell(name, row) for name in shown] for row in rows]
    return {"headings": headings, "rows": cells[:AT_ONCE], "more": _as_json(cells[AT_ONCE:]), "total": len(cells)}


def _as_json(cells: list[list[dict]]) -> str:
    """Rows for the script, each text, value and kind once: a cell is the number of its entry. Empty without rows."""
    if not cells:
        return ""
    entries: dict[tuple, int] = {}
    rows = [[entries.setdefault((c["text"], c["sort"], c["kind"]), len(entries)) for c in row] for row in cells]
    packed = json.dumps({"entries": list(entries), "rows": rows}, ensure_ascii=False, separators=(",", ":"))
    return packed.replace("</", "<\\/")  # a text must not end the script element


def _cell(name: str, row: dict) -> dict:
    value = row[name]
    if name == "verdict":
        unqualified = plain(value)
        return {
            "text": f"{VERDICTS[unqualified]}\u00a0{value}",
            "sort": unqualified,
            "kind": unqualified.replace(" ", "-"),
        }
    if name == "low":
        return {"text": _interval(row, fixed), "sort": value, "kind": "interval"}
    if name in ("difference", "margin") and value is not None:
        return {"text": _difference(name, row), "sort": value, "kind": "interval"}
    if name in SPELLED and isinstance(value, str):
        return {"text": SPELLED[name](value), "sort": SPELLED[name](value), "kind": "name"}
    if name in LONG:
        return {"text": number(value), "sort": value, "kind": name if name in ("command", "run") else "text"}
    if (name in FRACTIONS or name.endswith(" dB")) and isinstance(value, float):
        counted = value.is_integer() and str(row.get("quantity")).startswith(COUNTED)
        return {"text": number(value) if counted else fixed(value), "sort": value, "kind": "number"}
    if name in DIGESTS and isinstance(value, str):
        return {"text": shortened(value), "sort": value, "kind": ""}
    if name == "finished" and isinstance(value, str):
        return {"text": value[:16].replace("T", " "), "sort": value, "kind": ""}
    if name in SHORT | ROUND and isinstance(value, (int, float)):
        text = short(value) if name in SHORT else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        return {"text": text, "sort": value, "kind": "number"}
    if name == "psnr_db" and isinstance(value, float):
        return {"text": f"{value:.2f}", "sort": value, "kind": "number"}
    return {"text": number(value), "sort": value, "kind": "number" if isinstance(value, (int, float)) else ""}


def _difference(name: str, row: dict) -> str:
    """A signed difference or margin; a difference also shows its interval."""
    points = is_proportion(row.get("quantity") or "accuracy")
    as_text = in_points if points else signed
    text = as_text(row[name]) + (" points" if points else "")
    low, high = row.get("low"), row.get("high")
    if name == "margin" or low is None:
        return text
    # Beside a printed number, low and high bound our value. The printed number has no interval, so it only shifts ours.
    shift = row.get("printed", 0)
    return f"{text} ({_interval({'low': low - shift, 'high': high - shift}, as_text)})"


def number(value: Any) -> str:
    """Four decimals, or none from 1,000 up; a dash for a missing value."""
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        if 0 < abs(value) < 0.00005:
            return f"{value:.1e}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def shortened(digest: str) -> str:
    """A digest's first digits; a commit may end in +changes, or be a sentence that says why there is none."""
    return re.sub(rf"\b([0-9a-f]{{{SHOWN_DIGITS}}})[0-9a-f]+", r"\1", digest)


def fixed(value: float) -> str:
    """Four decimals, always: the digits in which the paper prints an accuracy."""
    return f"{value:.4f}".replace("-", "−")


def short(value: float) -> str:
    """2,741,642 as 2.74 M: three digits and a letter."""
    number, letter = scaled(value)
    return f"{number:.3g} {letter}".rstrip()


def signed(value: float) -> str:
    """+0.0310, with a true minus sign."""
    return f"{value:+.4f}".replace("-", "−")


def in_points(value: float) -> str:
    """A difference of proportions in percentage points, without the unit."""
    return f"{100 * value:+.2f}".replace("-", "−")


def _interval(row: dict, as_text) -> str:
    return "–" if row["low"] is None else f"{as_text(row['low'])} to {as_text(row['high'])}"
