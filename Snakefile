"""RepObE, reproduced: `snakemake --cores all` runs config/config.yaml, `--configfile` another in its place."""

from snakemake.utils import min_version

min_version("9.27")

if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


# A second or a few each: a cluster's scheduler would take longer to start them.
localrules:
    all,
    spec,
    training,
    summary,
    compare,
    decisions,
    report,
    track,


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/run.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


onsuccess:
    try_tracking_again()


onerror:
    try_tracking_again()


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/tracked.json",
        expand(f"{DRAWN}/{{figure}}.{{kind}}", figure=FIGURES, kind=["pdf", "png"]),
