"""The commands that measure a number again."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from repobe.runs.config import load
from repobe.runs.grid import HALF
from repobe.runs.plugins import ROOT


def for_change(change: dict) -> str:
    """Runs the config that measures a change of a decision (`weighed_by`)."""
    return f"snakemake --cores all --configfile config/{change.get('config', 'ablations')}.yaml"


def at_papers_size(runs: Iterable[str] = ()) -> str:
    """Runs dataset/channel/method at the paper's size, and what their gates need; without any, the whole grid."""
    only = " ".join(with_gates(runs))
    return "snakemake --cores all --configfile config/paper.yaml" + (f' --config only="{only}"' if only else "")


def with_gates(runs: Iterable[str]) -> list[str]:
    """The runs, their trainings of half the epochs (D32), and the undefended network beside them (D33)."""
    runs = list(runs)
    halves = [run + HALF for run in runs]
    return list(dict.fromkeys([*runs, *halves, *(f"{run.rpartition('/')[0]}/undefended" for run in runs)]))


def runs_of(claim: dict) -> list[str]:
    """The runs dataset/channel/method that a claim compares; none for a claim about the cipher alone."""
    return [
        f"{part['dataset']}/{channel}/{method}"
        for part in claim["parts"]
        if "dataset" in part
        for channel in part["channels"]
        for method in [part["method"], *part.get("rivals", [])]
    ]


class Commands:
    """Makes one command for each number; the command trains the runs that it needs.

    The runs go into the config's own results folder, so committed tables stay as they are.
    """

    def __init__(self, configfiles: Sequence[str], runs: list[str]) -> None:
        """configfiles: the configs that described the runs; runs: dataset/channel/method/seed<k>, those that ran."""
        self.results, self.runs = load(*map(Path, configfiles))["results_dir"], runs
        own = Path("Snakefile").exists()  # else the page is made in a folder that holds results alone
        self.snakemake = "snakemake" if own else f"snakemake -s {shlex.quote(os.path.relpath(ROOT / 'Snakefile'))}"
        self.options = f"--cores all --configfile {shlex.join(configfiles)}"

    def measures(self, row: dict, file: str) -> str:
        """For a row of a summary: `file` (evasion, inversion, audit or cost) of each run of the row's method."""
        if row["method"] == "random_features":
            return self._made([f"{self.results}/cipher_audit.csv"], "cipher_audit")
        prefix = f"{row['dataset']}/{row['channel']}/{row['method']}/"
        return self._made([f"{self.results}/runs/{r}/{file}.csv" for r in self.runs if r.startswith(prefix)], "train")

    def judges(self, claim: dict) -> str:
        """For a claim: its runs that ran here, and those that the gates need."""
        wanted = runs_of(claim)
        if not wanted:
            return self._made([f"{self.results}/claims.csv"], "cipher_audit")
        return self._decided("claims", wanted)

    def compares(self, number: dict) -> str:
        """For a printed number: the runs of its method, and those that the gates need."""
        return self._decided("comparison", [f"{number['dataset']}/{number['channel']}/{number['method']}"])

    def _decided(self, table: str, wanted: list[str]) -> str:
        """Makes a table of verdicts again from these runs, as far as they ran here; at the paper's size if none did."""
        if not self._ran(wanted):
            return at_papers_size(wanted)
        return self._made([f"{self.results}/{table}.csv"], "train", self._ran(with_gates(wanted)))

    def _ran(self, wanted: list[str]) -> list[str]:
        ran = {run.rpartition("/")[0] for run in self.runs}
        return [run for run in wanted if run in ran]

    def _made(self, targets: list[str], rule: str, only: Iterable[str] = ()) -> str:
        """Targets come first, because --configfile and --forcerun take every word that follows them."""
        runs = " ".join(only)
        chosen = f' --config only="{runs}"' if runs else ""
        return f"{self.snakemake} {shlex.join(targets)} {self.options}{chosen} --forcerun {rule}"
