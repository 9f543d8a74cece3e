"""What a job asks a machine or a cluster for: memory, time, a GPU, its turn."""

from snakemake.exceptions import WorkflowError

from repobe.runs import resources, slurm


def gpu(wildcards):
    """1 if a run's jobs want a GPU: on this machine if there is one, on a cluster if it saves enough time."""
    device = config.get("device", "auto")
    if HERE and device == "auto":
        return int(bool(GPUS))
    return resources.wants_gpu(spec_of(wildcards), device)


def gpu_of_classifier(wildcards):
    """A small training: it takes a GPU of this machine, or one that the config demands; it asks no cluster for one."""
    return int(bool(GPUS) or config.get("device", "auto").startswith("cuda"))


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


def train_priority(wildcards):
    """Teachers and the runs that wait for them start first; else a long training would run alone at the end."""
    return 2 if wildcards.run in TEACHERS or spec_of(wildcards).teacher else 0
