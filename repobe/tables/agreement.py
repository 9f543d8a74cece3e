"""Whether a run that was trained in two places has the same tables in both: compared row by row, digit by digit.

23 and 23.0 count as equal: pandas writes integers with a point if another run leaves a cell of their column empty.
"""

import numpy as np
import pandas as pd

# What differs between machines or code versions: seconds, and the digest of the code, which provenance and status
# report.
OWN = ("seconds", "code")
UNCOMPARED = "cost.csv"  # nearly all seconds and memory


def run_hashes(frame: pd.DataFrame, number: np.ndarray, runs: list[str]) -> dict[str, int]:
    """A number for each run; another cell or one more row changes it, another order of rows does not.

    number: int [rows], the index in `runs` of each row's run.
    """
    named = next((frame[name] for name in ("metric", "quantity") if name in frame), None)
    kept = np.ones(len(frame), bool) if named is None else ~named.str.endswith("seconds").to_numpy(bool)
    cells = frame.loc[kept, [name for name in frame if name not in OWN]].apply(_text)
    sums = np.zeros(len(runs), np.uint64)
    hashes = pd.util.hash_pandas_object(cells, index=False).to_numpy()
    np.add.at(sums, number[kept], hashes)  # modulo 2^64
    return dict(zip(runs, map(int, sums), strict=True))


def _text(column: pd.Series) -> pd.Series:
    return column.str.removesuffix(".0") if pd.api.types.is_string_dtype(column) else column.astype(str)


def said(twice: set[str], differing: dict[str, list[str]]) -> list[str]:
    """At most two lines: how many of the runs trained twice agree, and which ones differ, in which tables.

    differing: the tables in which a run differs, by its name.
    """
    lines = []
    if agreeing := len(twice) - len(differing):
        lines.append(f"{agreeing} of {len(twice)} runs that were trained twice have the same tables, seconds aside")
    if differing:
        runs = "; ".join(f"{run} ({', '.join(tables)})" for run, tables in sorted(differing.items()))
        lines.append(f"{len(differing)} of {len(twice)} runs that were trained twice have other tables: {runs}")
    return lines


def refuse_two_data(provenance: list[dict], fix: str) -> None:
    """ValueError if two runs of one dataset were made from different images, which tables would pair by number.

    provenance: of each run; fix: what to do about it.
    """
    first: dict[str, dict] = {}
    for run in provenance:
        if made_from := run.get("data_sha256"):
            other = first.setdefault(run["run"].partition("/")[0], run)
            if other["data_sha256"] != made_from:
                raise ValueError(f"{run['run']} and {other['run']} were made from different data; {fix}")
