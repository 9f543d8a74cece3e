"""Compares what a profile asks of Slurm with what this cluster has, before the first job; each mistake is one line.

Otherwise a refusal would show only when the plugin submits a job, and it prints the whole command.
"""

import getpass
import shutil
import subprocess
from collections.abc import Iterable, Mapping

PROFILE = "profiles/slurm/config.yaml"
NAMES = ("slurm_partition", "gpu_model", "slurm_account")


def refuse_unknown(asked: Iterable[Mapping[str, object]]) -> None:
    """ValueError for the first partition, GPU model or account that this cluster lacks, or for a missing account.

    asked: resources by their names, first those of the profile's default-resources, then those of each rule in its
    set-resources. Where Slurm lists nothing (a cluster without accounting has no accounts) nothing is refused.
    """
    asked = list(asked)
    if not shutil.which("sbatch"):
        raise ValueError("Slurm's sbatch is not on PATH; run this on a login node, or without --profile profiles/slurm")
    partitions = [line.split("|", 1) for line in _lines("sinfo", "--noheader", "--format=%R|%G")]
    # gpu:h100:4(S:0-1) names a model, gpu:4(S:0-1) only how many there are.
    gpus = (one.partition("(")[0].split(":") for _, has in partitions for one in has.split(","))
    models = {parts[1] for parts in gpus if len(parts) > 2}
    user = getpass.getuser()
    known = {
        "slurm_partition": {name for name, _ in partitions},
        "gpu_model": models,
        "slurm_account": {*_lines("sacctmgr", "-nP", "list", "associations", f"user={user}", "format=account")},
    }
    for resources in asked:
        for name in NAMES:
            value, values = resources.get(name), known[name]
            given = [] if value is None else [str(value)]
            if name == "slurm_partition":  # a list of them: a job takes the first one that has room
                given = [one for several in given for one in several.split(",")]
            if values and (unknown := [one for one in given if one not in values]):
                listed = ", ".join(sorted(values))
                raise ValueError(
                    f"{name} '{unknown[0]}' is unknown to Slurm, which has {listed}; change it in {PROFILE}"
                )
    _refuse_without_account(asked[0] if asked else {})


def _refuse_without_account(defaults: Mapping[str, object]) -> None:
    """Lets Slurm test a job without starting it. Only errors about accounts count, because nodes come back."""
    options = {"--account": defaults.get("slurm_account"), "--partition": defaults.get("slurm_partition")}
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    command = ["sbatch", "--test-only", "--time=1", *given, "--wrap=true"]
    done = _ran(*command)
    if done and done.returncode and "account" in done.stderr.lower():
        said = " ".join(done.stderr.split())[:200]
        raise ValueError(f"Slurm refuses the account: {said}; set slurm_account and slurm_partition in {PROFILE}")


def _lines(*command: str) -> list[str]:
    """The lines that a command prints; none if it fails. ValueError if the controller does not answer."""
    done = _ran(*command)
    if not done:
        return []
    if done.returncode and command[0] == "sinfo":
        raise ValueError(f"sinfo: {' '.join(done.stderr.split())[:200]}; Slurm does not answer from this machine")
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _ran(*command: str) -> subprocess.CompletedProcess | None:
    """A command that has ended; None if it cannot be started or takes more than a minute."""
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
