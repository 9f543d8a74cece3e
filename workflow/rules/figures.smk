rule layer_table:
    localrule: True
    input:
        of_suite("repobe/systems/layer_table.py"),
        of_suite("repobe/systems/networks.py"),
        of_suite("repobe/systems/system.py"),
    output:
        report(
            f"{RESULTS}/summary/layer_table.csv",
            caption="../report/layer_table.rst",
            category="Tables",
        ),
    log:
        f"{RESULTS}/logs/layer_table.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe layer_table {output:q} 2> {log:q}"


rule figures:
    input:
        f"{RESULTS}/summary/evasion.csv",
        f"{RESULTS}/summary/inversion.csv",
        f"{RESULTS}/summary/audit.csv",
        f"{RESULTS}/summary/cost.csv",
        f"{RESULTS}/summary/layer_table.csv",
        f"{RESULTS}/summary/reconstructions.npz",
        f"{RESULTS}/decisions.csv",
        f"{RESULTS}/readings.csv",
        [of_suite(f"figures/{figure}.py") for figure in FIGURES],
    output:
        report(
            expand(f"{DRAWN}/{{figure}}.png", figure=FIGURES),
            caption="../report/figures.rst",
            category="Figures",
        ),
        expand(
            f"{DRAWN}/{{figure}}.{{kind}}", figure=FIGURES, kind=["pdf", "svg", "csv"]
        ),
    params:
        results=results_dir,
        figures=figures_dir,
        code=showing_code,
    log:
        f"{RESULTS}/logs/figures.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m figures {params.results:q} {params.figures:q} 2> {log:q}"
