"""The table: its rows, its CSV file of one machine, and the README's text that is made from all such files."""

import csv
import statistics
from dataclasses import dataclass, fields
from pathlib import Path

from repobe.runs import files
from repobe.runs.plugins import ROOT

FASTER, COST, SHARE, PROPORTIONAL = "times as fast", "times its cost", "of it", "times what proportional cost would be"
CONFIGS = "cost-"  # the files of benchmarks.cost begin so; the others are machines
TABLES = ROOT / "results" / "benchmarks"  # of every machine and every counted config
BEGIN, END = "<!-- written by `python -m benchmarks --readme` -->", "<!-- until here -->"


@dataclass(frozen=True)
class Goal:
    """A bound on a row's ratio, or on its value if `of_value` or if it has no ratio."""

    bound: float
    at_least: bool = True
    of_value: bool = False

    def said(self, reached: float) -> str:
        """As the table has it: `at least 4: met`."""
        met = reached >= self.bound if self.at_least else reached <= self.bound
        bound = f"{'measured ' if self.of_value else ''}{'at least' if self.at_least else 'at most'} {self.bound:g}"
        return f"{bound}: {'met' if met else 'not met'}"


@dataclass(frozen=True)
class Row:
    """One measurement; beside: what it is compared with; ratio: of the two, with the least and greatest round.

    meaning says how to read the ratio: FASTER is the other's time over ours, all others are ours over the other's.
    """

    part: str
    subject: str
    value: float
    unit: str
    beside: str = ""
    beside_value: float | None = None
    ratio: float | None = None
    least: float | None = None
    greatest: float | None = None
    meaning: str = ""
    goal: str = ""
    data: str = ""


def alone(part: str, subject: str, value: float, unit: str, goal: Goal | None = None, data: str = "") -> Row:
    """A row that is compared with nothing but its goal."""
    return Row(part, subject, value, unit, goal=goal.said(value) if goal else "", data=data)


def compared(
    part: str,
    subject: str,
    ours: list[float],
    beside: str,
    other: list[float],
    meaning: str,
    unit: str = "ms",
    goal: Goal | None = None,
    data: str = "",
) -> Row:
    """A row of two candidates' figures in `unit`, one a round: medians, and the ratio of the medians."""
    value, other_value = statistics.median(ours), statistics.median(other)
    pairs = [(value, other_value), *zip(ours, other, strict=True)]
    ratio, *each = ((b / a if meaning == FASTER else a / b) for a, b in pairs)
    said = goal.said(value if goal.of_value else ratio) if goal else ""
    return Row(part, subject, value, unit, beside, other_value, ratio, min(each), max(each), meaning, said, data)


def scaled(times: list[float], factor: float) -> list[float]:
    """Seconds in another unit: 1000 for ms, 1000/b for ms an image of a batch."""
    return [factor * seconds for seconds in times]


def plain(row: Row) -> dict[str, str]:
    """A row as in the CSV: four significant digits, empty where there is no value."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    return {name: _short(value) if isinstance(value, float) else value or "" for name, value in values.items()}


def merge(path: Path, rows: list[dict[str, str]], parts: list[str]) -> None:
    """Writes a machine's file: these rows replace its former rows of the same parts; parts keep their order."""
    measured = {row["part"] for row in rows}
    kept = [row for row in read(path) if row["part"] not in measured] if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    files.table(path, sorted(kept + rows, key=lambda row: parts.index(row["part"])))


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a machine's file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def line(row: dict[str, str]) -> str:
    """One line of the printed table."""
    return f"{_subject(row):66}  {_value(row):22}  {_ratio(row)}  {row['goal']}".rstrip()


def markdown(folder: Path, about: dict[str, str]) -> str:
    """Every machine's table; about: what each part measures, by its name."""
    machines = [read(path) for path in sorted(folder.glob("*.csv")) if not path.name.startswith(CONFIGS)]
    if not machines:
        return "Nothing is measured yet.\n"
    return "\n".join(_machine(rows, about) for rows in machines)


def into(readme: Path, text: str) -> None:
    """Puts the text between the README's two marks; ValueError where it lacks one."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme} lacks the line {END if begin else BEGIN}; put both back around its tables")
    files.replace(readme, f"{before}{begin}\n\n{text}\n{end}{after}")


def _machine(rows: list[dict[str, str]], about: dict[str, str]) -> str:
    lines = [f"### {rows[0]['machine']}", ""]
    for part in dict.fromkeys(row["part"] for row in rows):
        own = [row for row in rows if row["part"] == part]
        runs = dict.fromkeys(f"commit {r['commit']}, {r['date']}, torch {r['torch']}, {r['threads']}" for r in own)
        lines += [f"**{part}**: {about[part]} ({'; '.join(runs)})", ""]
        lines += ["| what | measured | beside | ratio (least to greatest round) | goal |", "|---|---|---|---|---|"]
        for row in own:
            beside = f"{row['beside']}: {row['beside_value']}" if row["beside_value"] else row["beside"]
            lines.append(f"| {_subject(row)} | {_value(row)} | {beside} | {_ratio(row)} | {row['goal']} |")
        lines.append("")
    return "\n".join(lines)


def _subject(row: dict[str, str]) -> str:
    return f"{row['subject']} ({row['data']})" if row["data"] else row["subject"]


def _value(row: dict[str, str]) -> str:
    return f"{row['value']} {row['unit']}"


def _ratio(row: dict[str, str]) -> str:
    if not row["ratio"]:
        return ""
    return f"{row['ratio']} ({row['least']} to {row['greatest']}) {row['meaning']}"


def _short(value: float) -> str:
    return f"{float(f'{value:.4g}'):.10g}"
