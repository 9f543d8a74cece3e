"""The sbatch of a light simulation submits the stages themselves, in place of the snakemake that would run them.

    python light.py SBATCH …

On a cluster many nodes start snakemake at the same time; one core would do it for all of them, one after the other.
"""

import os
import re
import sys


def stages(wrapped: str) -> str:
    """The stages that snakemake would run in this job, for a shell. Trainings first, because measurements read them."""
    targets = sorted(re.findall(r"\b(train|measure):run=([\w./-]+)", wrapped), reverse=True)
    return " && ".join(f"python -m repobe {stage} results/runs/{run}/spec.yaml --gpus 0" for stage, run in targets)


def main() -> None:
    sbatch, *given = sys.argv[1:]
    for place, option in enumerate(given):
        if option.startswith("--wrap=") and (light := stages(option)):
            given[place] = f"--wrap={light}"
    os.execv(sbatch, [sbatch, *given])


if __name__ == "__main__":
    main()
