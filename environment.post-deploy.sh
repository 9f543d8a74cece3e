#!/usr/bin/env bash
# Run by Snakemake inside the environment it has made: torchattacks 3.5.1 asks for requests~=2.25 and never uses it.
set -euo pipefail
pip install --no-deps torchattacks==3.5.1
