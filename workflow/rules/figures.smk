rule layers:
    input:
        "repobe/layers.py",
        "repobe/networks.py",
        "repobe/system.py",
    output:
        report(
            f"{RESULTS}/summary/layers.csv",
            caption="../report/layers.rst",
            category="Tables",
        ),
    log:
        f"{RESULTS}/logs/layers.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe layers {output} 2> {log} || {{ cat {log} >&2; exit 1; }}"


rule figure:
    input:
        f"{RESULTS}/summary/evasion.csv",
        f"{RESULTS}/summary/inversion.csv",
        f"{RESULTS}/summary/audit.csv",
        f"{RESULTS}/summary/cost.csv",
        f"{RESULTS}/summary/layers.csv",
        f"{RESULTS}/summary/reconstructions.npz",
        f"{RESULTS}/summary/provenance.json",
        f"{RESULTS}/decisions.csv",
        script="figures/{figure}.py",
        style="repobe/plots.py",
    output:
        f"{DRAWN}/{{figure}}.pdf",
        report(
            f"{DRAWN}/{{figure}}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        f"{DRAWN}/{{figure}}.svg",
        f"{DRAWN}/{{figure}}.csv",
    params:
        results=results_dir,
        figures=figures_dir,
    log:
        f"{RESULTS}/logs/figures/{{figure}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m figures.{wildcards.figure} {params.results} {params.figures} 2> {log} || {{ cat {log} >&2; exit 1; }}"
