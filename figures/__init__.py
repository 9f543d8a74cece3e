"""One script per figure: `python -m figures.fig3a RESULTS FIGURES_DIR`; `python -m figures` draws them all."""
