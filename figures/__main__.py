"""Draws every figure in one process, for seaborn imports longer than it draws: `python -m figures RESULTS OUT`."""

import pkgutil
import runpy
import sys
import traceback

import matplotlib

import figures

if __name__ == "__main__":
    failed = []
    for name in sorted(module.name for module in pkgutil.iter_modules(figures.__path__)):
        if not name.startswith("fig"):
            continue
        try:
            with matplotlib.rc_context():  # each in the style that it would have by itself
                runpy.run_module(f"figures.{name}", run_name="__main__")
        except Exception:  # the others are drawn none the less
            traceback.print_exc()
            failed.append(name)
    if failed:
        sys.exit(f"not drawn, see above: {', '.join(failed)}")
