"""Draws every figure in one process, because importing seaborn is slow: `python -m figures RESULTS OUT`."""

import pkgutil
import runpy
import sys
import traceback

import figures
from repobe.runs.console import in_a_line, tell
from repobe.runs.isolation import refuse_shadows


def main() -> int:
    """Draws all that can be drawn; a line says why another cannot, and what it is."""
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
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        refuse_shadows()
        sys.exit(main())
    except ValueError as error:
        tell(f"repobe: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        tell("repobe: interrupted")
        sys.exit(130)
