"""What the rules share: the checked config, the runs it describes, where their files lie, and this machine's GPUs."""

import os
import sys
from glob import glob
from pathlib import Path

# The suite's own folder, which need not be the one that snakemake runs in, nor the main workflow's.
SUITE = Path(workflow.current_basedir).parents[1].resolve()
sys.path.insert(0, str(SUITE))
from repobe.runs import gpus, terminal
from repobe.runs.config import check
from repobe.runs.config_files import merged, read, understood
from repobe.runs.console import tell
from repobe.runs.custom_data_checks import gone
from repobe.runs.grid import every_run, kept

# The user's config files, else that of the Snakefile, for the commands that the report shows.
CONFIGFILES = [os.path.relpath(file) for file in workflow.configfiles]
IS_MAIN = workflow.modifier.is_main_snakefile()  # not a module of another workflow
# --config applies to the main workflow only; a module gets its config from that workflow.
SAID = workflow.config_settings.config if IS_MAIN else {}

try:
    for file in CONFIGFILES:
        read(Path(file))  # refuses duplicate keys, of which Snakemake keeps the last
    config.update(check(merged(config, understood(SAID))))
    # A run that `after` names is found even if `only` leaves it out of the tables.
    EVERY = {spec.path: spec for spec in every_run(config)}
    SPECS = kept(config, list(EVERY.values()))
    TEACHERS = {spec.teacher for spec in SPECS if spec.teacher}
except ValueError as error:
    # One line: a WorkflowError would show this file around it.
    sys.exit(f"config, {error}")
if workflow.is_main_process:
    for line in gone(config["datasets"]):
        tell(f"repobe: {line}")


def of_suite(path):
    """The path of a suite file from the folder that snakemake runs in; an absolute path stays as it is."""
    return path if os.path.isabs(path) else os.path.relpath(SUITE / path)


RESULTS = config["results_dir"]
RUNS = f"{RESULTS}/runs"
DRAWN = config["figures_dir"]


def closing_lines():
    """What the terminal says at the end of a workflow that succeeded."""
    # Imports pandas: half a second that a dry run need not wait.
    from repobe.report.final_message import lines

    return lines(Path(RESULTS), Path(DRAWN))


# None in a module of another workflow, in a snakemake that a job calls, and if the user asked for Snakemake's own log.
TERMINAL = None
if workflow.is_main_process and IS_MAIN:
    TERMINAL = terminal.attach(workflow.output_settings, Path(RESULTS), closing_lines)
FIGURES = sorted(Path(name).stem for name in glob("figures/fig*.py", root_dir=SUITE))
PAGE = sorted(map(of_suite, glob("repobe/report/templates/*", root_dir=SUITE)))
ENVIRONMENT = f"{SUITE}/environment.yml"
if config["data_dir"]:
    # In the environment, not in a parameter, so that moving the files does not cause a new training.
    os.environ["REPOBE_DATA"] = config["data_dir"]
if "device" in config:
    # In the environment too, so that another machine does not cause a new training.
    os.environ["REPOBE_DEVICE"] = config["device"]
os.environ["OMP_NUM_THREADS"] = str(config["threads"])
# Jobs use the suite's code and the environment's packages, never the user's own in their place.
os.environ["PYTHONPATH"] = str(SUITE)
os.environ["PYTHONNOUSERSITE"] = "1"

# On this machine each job gets one GPU, and only as many jobs run as may share the GPUs; a cluster assigns them itself.
HERE = workflow.resource_settings.nodes is None and not workflow.remote_exec
# One submission on a cluster. On this machine a group gains nothing, and slows Snakemake down after each job.
TOGETHER = None if HERE else "verdicts"
GPUS = gpus.visible() if HERE else []
if GPUS and "gpu" not in workflow.global_resources:
    share = workflow.global_resources.get("jobs_a_gpu").value or 1
    workflow.register_resource("gpu", len(GPUS) * share)


# `localrule` marks rules of a few seconds, which a cluster's scheduler would take longer to start, and `data`, because
# the nodes of a cluster often cannot download.
wildcard_constraints:
    run=r"[^/]+/[^/]+/[^/]+/seed[^/]+",
    dataset="[a-z0-9_]+",
