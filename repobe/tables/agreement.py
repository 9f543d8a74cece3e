"""Whether a run that was trained in two places has the same tables in both: compared row by row, digit by digit."""

import numpy as np
import pandas as pd

# What a machine decides: the seconds of an epoch; the digest of the code, of which provenance and status tell.
OWN = ("seconds", "code")
UNCOMPARED = "cost.csv"  # nearly all seconds and memory


def marks(frame: pd.DataFrame, number: np.ndarray, runs: list[str]) -> dict[str, int]:
    """A number for each run that any other cell, or one row more, would change; the order of rows does not.

    number: int [rows], the index in `runs` of each row's run.
    """
    named = next((frame[name] for name in ("metric", "quantity") if name in frame), None)
    kept = np.ones(len(frame), bool) if named is None else ~named.str.endswith("seconds").to_numpy(bool)
    columns = [name for name in frame if name not in OWN]
    sums = np.zeros(len(runs), np.uint64)
    hashes = pd.util.hash_pandas_object(frame.loc[kept, columns].astype(str), index=False).to_numpy()
    np.add.at(sums, number[kept], hashes)  # modulo 2^64
    return dict(zip(runs, map(int, sums), strict=True))


def said(twice: set[str], differing: dict[str, list[str]]) -> list[str]:
    """Two lines at most: how many of the runs that were trained twice agree, and which do not, in which tables.

    differing: the tables in which a run differs, by its name.
    """
    lines = []
    if agreeing := len(twice) - len(differing):
        lines.append(f"{agreeing} of {len(twice)} runs that were trained twice have the same tables, seconds aside")
    if differing:
        runs = "; ".join(f"{run} ({', '.join(tables)})" for run, tables in sorted(differing.items()))
        lines.append(f"{len(differing)} of {len(twice)} runs that were trained twice have other tables: {runs}")
    return lines
