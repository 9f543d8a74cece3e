"""One script a figure of the paper: `python -m figures.fig3a RESULTS FIGURES_DIR`."""
