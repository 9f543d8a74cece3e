"""Input functions and parameters of the rules: which files a job reads, and by what it is made again."""

import json
from functools import cache

from snakemake.exceptions import WorkflowError

from repobe.runs import checksums, status
from repobe.runs.code_digest import judged_by, same_classifier, same_method, shown_by
from repobe.runs.config import source_of
from repobe.runs.plugins import is_file


def of_runs(name):
    """The file of that name in every run."""
    return [f"{RUNS}/{spec.path}/{name}" for spec in SPECS]


def is_allowed(rule):
    """Whether --allowed-rules, as in profiles/tables, leaves a rule in."""
    allowed = workflow.dag_settings.allowed_rules
    return not allowed or rule in allowed


def lost_files(wildcards):
    """What lacks in the folders of the runs: without it, the report alone would not ask for a file that was deleted."""
    if not is_allowed("train"):
        return []
    return [file for spec in SPECS for file in status.lost_files(spec, Path(RESULTS))]


@cache
def gathered():
    """The runs that the tables hold: those of `only`, and those that were finished before under another `only`."""
    own = {spec.path for spec in SPECS}
    every = EVERY.items()
    return [
        p for p, spec in every if p in own or status.is_finished(spec, Path(RESULTS))
    ]


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


def tracked_runs(wildcards):
    """Nothing where --allowed-rules leaves the tracking out, as in profiles/tables: there are no runs to track."""
    return [f"{RESULTS}/tracked.json"] if is_allowed("track") else []


def teacher_of(wildcards):
    teacher = spec_of(wildcards).teacher
    return f"{RUNS}/{teacher}/model.safetensors" if teacher else []


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
