"""Draws every figure in one process, because importing seaborn is slow: `python -m figures RESULTS OUT`."""

import pkgutil
import runpy
import sys
import traceback

import figures

if __name__ == "__main__":
    failed = []
    for name in sorted(module.name for module in pkgutil.iter_modules(figures.__path__)):
        if not name.startswith("fig"):
            continue
        try:
            runpy.run_module(f"figures.{name}", run_name="__main__")
        except Exception:  # still draw the others
            traceback.print_exc()
            failed.append(name)
    if failed:
        sys.exit(f"not drawn, see above: {', '.join(failed)}")
