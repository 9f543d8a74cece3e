"""Which file of the user's own stopped a run, and the config's key that names it."""

from pathlib import Path

from repobe.runs import plugins
from repobe.runs.console import in_a_line
from repobe.runs.spec import Spec


def blamed(error: BaseException, spec: Path | None) -> str:
    """'<key>, <file>, line <n> in <function>: ' where an error came through a user's own file; else empty.

    spec: the spec.yaml of the run that was at work.
    """
    place = plugins.passed_through(error)
    if place is None:
        return ""
    file, line, function = place
    keys = [key for key, own in of_run(spec).items() if (plugins.ROOT / own).resolve() == file] if spec else []
    return f"{', '.join([*keys, str(file)])}, line {line} in {function}: "


def told(error: Exception, spec: Path | None) -> str:
    """One line about an unforeseen error that a user's own file may have caused; empty if the run has no such file."""
    what = f"{type(error).__name__}: {in_a_line(error)}"
    if place := blamed(error, spec):
        return f"{place}{what}"
    own = ", ".join(f"{key} ({file})" for key, file in of_run(spec).items()) if spec else ""
    return f"{what}; the suite's code raised it, in a run with files of your own: {own}" if own else ""


def of_run(path: Path) -> dict[str, str]:
    """The user's own files that a run uses, each by the config's key that names it."""
    spec = Spec.load(path)
    found = {f"methods.{spec.label}.method": spec.method}
    found |= {f"evaluation.attacks.{name}.kind": attack.kind for name, attack in spec.evaluation.attacks.items()}
    found |= {f"channels ({spec.channel})": spec.channel_source or ""}
    return {key: file for key, file in found.items() if plugins.is_file(file)}
