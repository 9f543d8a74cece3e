"""RepObE, reproduced: `snakemake --cores all` runs config/config.yaml, `--configfile` another in its place."""

import os
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

if not workflow.config_settings.configfiles:

    configfile: os.path.relpath(Path(workflow.current_basedir, "config", "config.yaml"))


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/run.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


onstart:
    if workflow.executor_plugin.name == "slurm":
        refuse_what_slurm_lacks()


onsuccess:
    try_tracking_again()
    if TERMINAL:
        TERMINAL.succeeded()


onerror:
    try_tracking_again()
    if TERMINAL:
        TERMINAL.stopped()


rule all:
    default_target: True
    localrule: True
    input:
        f"{RESULTS}/report.html",
        tracked_runs,
        lost_files,
        expand(f"{DRAWN}/{{figure}}.{{kind}}", figure=FIGURES, kind=["pdf", "png"]),
