"""What is fast and how fast: `python -m benchmarks` measures ratios side by side in one run; see README.md."""
