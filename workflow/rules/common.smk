"""What the rules share: the checked config, the runs it describes, and where their files lie."""

import json
import os
import sys
from glob import glob
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir)))
from repobe.runs.code import same_classifier, same_method
from repobe.runs.config import check, source_of
from repobe.runs.plugins import is_file
from repobe.runs.grid import grid
from repobe.runs.reading import merged, read, understood

# Those that the user named, else the default: for the commands that the report shows.
CONFIGFILES = [
    os.path.relpath(file)
    for file in workflow.config_settings.configfiles or ["config/config.yaml"]
]

try:
    for file in CONFIGFILES:
        read(Path(file))  # Snakemake keeps the last of a key that stands twice
    config.update(check(merged(config, understood(workflow.config_settings.config))))
    SPECS = grid(config)
    # What `after` names is found even where `only` leaves it out of the tables.
    EVERY = {spec.path: spec for spec in grid(config | {"only": "*"})}
except ValueError as error:
    raise WorkflowError(f"config, {error}")

RESULTS = config["results_dir"]
RUNS = f"{RESULTS}/runs"
DRAWN = config["figures_dir"]
FIGURES = sorted(
    Path(name).stem for name in glob(f"{workflow.basedir}/figures/fig*.py")
)
# The modules that every figure is drawn with.
DRAWING = expand(
    "repobe/report/{name}.py",
    name=[
        "styles",
        "headings",
        "canvas",
        "beaten",
        "wording",
        "channel_uses",
        "curves",
        "galleries",
        "saving",
    ],
)
PAGE = sorted(glob("repobe/report/templates/*", root_dir=workflow.basedir))
ENVIRONMENT = f"{workflow.basedir}/environment.yml"
if config["data_dir"]:
    # By the environment and not by a parameter: moving the files is no reason to train again.
    os.environ["REPOBE_DATA"] = config["data_dir"]
if "device" in config:
    # By the environment too: another machine is no reason to train again.
    os.environ["REPOBE_DEVICE"] = config["device"]
os.environ["OMP_NUM_THREADS"] = str(config["threads"])
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(workflow.basedir), os.environ.get("PYTHONPATH")])
)


wildcard_constraints:
    run=r"[^/]+/[^/]+/[^/]+/seed[^/]+",
    dataset="[a-z0-9_]+",


def of_runs(name):
    """That file of every run."""
    return [f"{RUNS}/{spec.path}/{name}" for spec in SPECS]


def spec_of(wildcards):
    """The run of a job. One pattern matches every run: an alternative for each made 10,000 jobs three times as slow."""
    if wildcards.run not in EVERY:
        raise WorkflowError(f"no run of this config is called {wildcards.run}")
    return EVERY[wildcards.run]


def spec_json(wildcards):
    return json.dumps(spec_of(wildcards).as_dict())


def training_json(wildcards):
    """What a training depends on: the spec without what is done to the trained run."""
    return json.dumps(spec_of(wildcards).as_trained())


def data_of(wildcards):
    return f"{RESULTS}/data/{spec_of(wildcards).dataset}.safetensors"


def classifier_of(wildcards):
    """The evaluation classifier; none where nobody rebuilds a picture that it would classify."""
    spec = spec_of(wildcards)
    file = f"{RESULTS}/data/{spec.dataset}.classifier.safetensors"
    return file if spec.inversion.attackers else []


def classifier_code(wildcards):
    """The file that trains the classifier; of the same content, its time says nothing."""
    file = "repobe/training/evaluation_classifier.py"
    weights = Path(RESULTS, "data", f"{wildcards.dataset}.classifier.safetensors")
    return ancient(file) if same_classifier(weights) else file


def method_of(wildcards):
    """The method's own file: editing a baseline trains its runs again. Of the same content, its time says nothing."""
    spec = spec_of(wildcards)
    file = source_of(spec.method)
    return ancient(file) if same_method(spec.method, Path(RUNS, spec.path)) else file


def channel_of(wildcards):
    """The channel's file where it is the user's own."""
    return spec_of(wildcards).channel_source or []


def attacks_of(wildcards):
    """The files of the attacks that are the user's own."""
    attacks = spec_of(wildcards).evaluation.attacks.values()
    return sorted({attack.kind for attack in attacks if is_file(attack.kind)})


def source_of_data(dataset):
    """Where a dataset of the user's own lies; None for a dataset of the suite."""
    return config["datasets"].get(dataset, {}).get("source")


def files_of_data(wildcards):
    """The source's file, or its folder and the class folders, whose times tell of new images."""
    source = source_of_data(wildcards.dataset)
    if not source:
        return []
    return [source, *sorted(str(path) for path in Path(source).rglob("*/"))]


def source_options(wildcards):
    source = source_of_data(wildcards.dataset)
    return ["--source", source] if source else []


def teacher_of(wildcards):
    teacher = spec_of(wildcards).teacher
    return f"{RUNS}/{teacher}/model.safetensors" if teacher else []


def surrogates_of(wildcards):
    return [
        f"{RUNS}/{path}/model.safetensors"
        for path in spec_of(wildcards).surrogates.values()
    ]


# The folders that commands take whole; as functions, for Snakemake's linter would have a parameter's path in pieces.
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
