rule report:
    input:
        f"{RESULTS}/comparison.csv",
        f"{RESULTS}/claims.csv",
        f"{RESULTS}/evidence.csv",
        f"{RESULTS}/decisions.csv",
        f"{RESULTS}/readings.csv",
        f"{RESULTS}/summary/cost.csv",
        f"{RESULTS}/summary/audit.csv",
        f"{RESULTS}/summary/evasion.csv",
        f"{RESULTS}/summary/inversion.csv",
        f"{RESULTS}/summary/provenance.json",
        PAGE,
        of_suite("workflow/paper/decisions.yaml"),
        of_suite("workflow/paper/contradictions.yaml"),
        figures=expand(f"{DRAWN}/{{figure}}.svg", figure=FIGURES),
    output:
        f"{RESULTS}/report.html",
    params:
        results=results_dir,
        code=showing_code,
        figures=figures_dir,
        configfiles=CONFIGFILES,
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        ENVIRONMENT
    localrule: True
    shell:
        "python -m repobe report {params.results:q} {params.figures:q} --configfile {params.configfiles:q} 2> {log:q}"


rule track:
    input:
        f"{RESULTS}/tables/evasion.csv",
        f"{RESULTS}/tables/history.csv",
        f"{RESULTS}/report.html",
        specs=of_runs("spec.yaml"),
        figures=expand(f"{DRAWN}/{{figure}}.png", figure=FIGURES),
    output:
        f"{RESULTS}/tracked.json",
    params:
        results=results_dir,
        code=showing_code,
        figures=figures_dir,
        specs=gathered_specs,
        options=tracking_options,
    log:
        f"{RESULTS}/logs/track.log",
    conda:
        ENVIRONMENT
    localrule: True
    shell:
        "python -m repobe track {params.results:q} {params.figures:q} {params.specs:q} --lenient {params.options:q} 2> {log:q}"
