"""One script per figure: `python -m figures.fig3a RESULTS FIGURES_DIR`; `python -m figures` draws them all."""

import os

# Figures are files. A notebook's MPLBACKEND names a backend that matplotlib refuses outside of the notebook.
os.environ["MPLBACKEND"] = "agg"
