"""What the rules share: the checked config, the runs it describes, and where their files lie."""

import json
import os
import sys
from functools import cache
from glob import glob
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The suite's own folder, which need not be the one that snakemake runs in, nor the main workflow's.
SUITE = Path(workflow.current_basedir).parents[1].resolve()
sys.path.insert(0, str(SUITE))
from repobe.runs import checksums, gpus, resources, slurm, terminal
from repobe.runs.code_digest import judged_by, same_classifier, same_method, shown_by
from repobe.runs.config import check, source_of
from repobe.runs.plugins import is_file
from repobe.runs.grid import every_run, kept
from repobe.runs.config_files import merged, read, understood
from repobe.runs.status import is_finished

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
# The modules of the report that figures import, directly or not.
DRAWING = [
    of_suite(f"repobe/report/{name}.py")
    for name in (
        "styles",
        "headings",
        "canvas",
        "attacker_above_receiver",
        "display_names",
        "channel_uses",
        "curves",
        "galleries",
        "saving",
    )
]
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


def of_runs(name):
    """The file of that name in every run."""
    return [f"{RUNS}/{spec.path}/{name}" for spec in SPECS]


@cache
def gathered():
    """The runs that the tables hold: those of `only`, and those that were finished before under another `only`."""
    own = {spec.path for spec in SPECS}
    every = EVERY.items()
    return [p for p, spec in every if p in own or is_finished(spec, Path(RESULTS))]


def gathered_specs(wildcards):
    return [f"{RUNS}/{path}/spec.yaml" for path in gathered()]


def gathered_config(wildcards):
    """What the runs that are gathered should be: files that came without Snakemake's records may be older ones."""
    return checksums.of_specs(EVERY[path].dump() for path in gathered())


def spec_of(wildcards):
    """The run of a job. One pattern matches every run: an alternative for each made 10,000 jobs three times as slow."""
    if wildcards.run not in EVERY:
        raise WorkflowError(f"no run of this config is called {wildcards.run}")
    return EVERY[wildcards.run]


def spec_json(wildcards):
    return json.dumps(spec_of(wildcards).as_dict())


def training_json(wildcards):
    """What a training depends on: the spec without the measurements."""
    return json.dumps(spec_of(wildcards).as_trained())


def data_of(wildcards):
    return f"{RESULTS}/data/{spec_of(wildcards).dataset}.safetensors"


def judging_code(wildcards):
    """The digest of what makes tables and verdicts, so that they follow an update of the suite."""
    return judged_by()


def showing_code(wildcards):
    """The same of the page and of MLflow."""
    return shown_by()


def classifier_of(wildcards):
    """The evaluation classifier; none if no attacker rebuilds an image that it would classify."""
    spec = spec_of(wildcards)
    file = f"{RESULTS}/data/{spec.dataset}.classifier.safetensors"
    return file if spec.inversion.attackers else []


def classifier_code(wildcards):
    """The file that trains the classifier; if its content is the same, its time is ignored."""
    file = of_suite("repobe/training/evaluation_classifier.py")
    weights = Path(RESULTS, "data", f"{wildcards.dataset}.classifier.safetensors")
    return ancient(file) if same_classifier(weights) else file


def method_of(wildcards):
    """The method's own file: editing a baseline trains its runs again. With the same content, its time is ignored."""
    spec = spec_of(wildcards)
    file = of_suite(source_of(spec.method))
    return ancient(file) if same_method(spec.method, Path(RUNS, spec.path)) else file


def channel_of(wildcards):
    """The channel's file where it is the user's own."""
    source = spec_of(wildcards).channel_source
    return of_suite(source) if source else []


def attacks_of(wildcards):
    """The files of the attacks that are the user's own."""
    attacks = spec_of(wildcards).evaluation.attacks.values()
    return sorted({of_suite(attack.kind) for attack in attacks if is_file(attack.kind)})


def source_of_data(dataset):
    """Where a dataset of the user's own lies; None for a dataset of the suite."""
    return config["datasets"].get(dataset, {}).get("source")


def files_of_data(wildcards):
    """The source's file, or its folder and the class folders, whose times change with new images."""
    source = source_of_data(wildcards.dataset)
    if not source:
        return []
    return [source, *sorted(str(path) for path in Path(source).rglob("*/"))]


def source_options(wildcards):
    source = source_of_data(wildcards.dataset)
    return ["--source", source] if source else []


def gpu(wildcards):
    """1 if a run's jobs want a GPU: on this machine if there is one, on a cluster if it saves enough time."""
    device = config.get("device", "auto")
    if HERE and device == "auto":
        return int(bool(GPUS))
    return resources.wants_gpu(spec_of(wildcards), device)


def gpu_of_classifier(wildcards):
    """A small training: it takes a GPU of this machine, or one that the config demands; it asks no cluster for one."""
    return int(bool(GPUS) or config.get("device", "auto").startswith("cuda"))


def tracked_runs(wildcards):
    """Nothing where --allowed-rules leaves the tracking out, as in profiles/tables: there are no runs to track."""
    allowed = workflow.dag_settings.allowed_rules
    return [f"{RESULTS}/tracked.json"] if not allowed or "track" in allowed else []


def classifier_memory(wildcards, attempt):
    return resources.classifying(gpu_of_classifier(wildcards), attempt)


def gathering_memory(wildcards, attempt):
    return resources.gathering(len(gathered()), attempt)


def refuse_what_slurm_lacks():
    settings = workflow.resource_settings
    asked = [settings.default_resources or {}, *settings.overwrite_resources.values()]
    try:
        slurm.refuse_unknown(
            {
                name: getattr(one[name], "raw", one[name])
                for name in slurm.NAMES
                if name in one
            }
            for one in asked
        )
    except ValueError as error:
        raise WorkflowError(str(error))


def train_memory(wildcards, attempt):
    return resources.memory(spec_of(wildcards), "train", gpu(wildcards), attempt)


def train_minutes(wildcards, attempt):
    return resources.minutes(spec_of(wildcards), "train", gpu(wildcards), attempt)


def measure_memory(wildcards, attempt):
    return resources.memory(spec_of(wildcards), "measure", gpu(wildcards), attempt)


def measure_minutes(wildcards, attempt):
    return resources.minutes(spec_of(wildcards), "measure", gpu(wildcards), attempt)


def teacher_of(wildcards):
    teacher = spec_of(wildcards).teacher
    return f"{RUNS}/{teacher}/model.safetensors" if teacher else []


def train_priority(wildcards):
    """Teachers and the runs that wait for them start first; else a long training would run alone at the end."""
    return 2 if wildcards.run in TEACHERS or spec_of(wildcards).teacher else 0


def surrogates_of(wildcards):
    return [
        f"{RUNS}/{path}/model.safetensors"
        for path in spec_of(wildcards).surrogates.values()
    ]


# Folders that commands take whole; they are functions, because Snakemake's linter refuses a hard-coded path prefix.
def results_dir(wildcards):
    return RESULTS


def figures_dir(wildcards):
    return DRAWN


def tracking_options(wildcards):
    uri = ["--uri", config["mlflow_uri"]] if config["mlflow_uri"] else []
    return uri + (["--weights"] if config.get("mlflow_weights") else [])


def try_tracking_again():
    """Forgets a tracking that MLflow refused, so that the next snakemake tries again."""
    tracked = Path(RESULTS, "tracked.json")
    if tracked.exists() and b"not tracked" in tracked.read_bytes():
        tracked.unlink()
