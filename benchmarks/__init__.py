"""What is fast and how fast: `python -m benchmarks.<name>` prints rates and ratios measured side by side in one run."""
