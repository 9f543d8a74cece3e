"""Draws every figure in one process, because importing seaborn is slow: `python -m figures RESULTS OUT`."""

import pkgutil
import runpy
import sys
import traceback

import figures
from repobe.runs.console import in_a_line, tell

if __name__ == "__main__":
    failed: dict[str, list[str]] = {}  # the figures by what stopped them: one damaged table stops many
    for name in sorted(module.name for module in pkgutil.iter_modules(figures.__path__)):
        if not name.startswith("fig"):
            continue
        try:
            runpy.run_module(f"figures.{name}", run_name="__main__")
        except (ValueError, OSError) as error:  # still draw the others
            failed.setdefault(in_a_line(error), []).append(name)
        except Exception as error:
            traceback.print_exc()
            failed.setdefault(f"{type(error).__name__}, see above", []).append(name)
    for reason, names in failed.items():
        tell(f"repobe: {reason} (not drawn: {', '.join(names)})")
    sys.exit(1 if failed else 0)
