rule figure:
    input:
        f"{RESULTS}/summary/evasion.csv",
        f"{RESULTS}/summary/inversion.csv",
        f"{RESULTS}/summary/reconstructions.npz",
        f"{RESULTS}/summary/provenance.json",
        script="figures/{figure}.py",
        style="repobe/plots.py",
    output:
        f"{DRAWN}/{{figure}}.pdf",
        f"{DRAWN}/{{figure}}.png",
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
