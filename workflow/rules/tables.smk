rule tables:
    input:
        specs=of_runs("spec.yaml"),
        evasion=of_runs("evasion.csv"),
        outcomes=of_runs("outcomes.parquet"),
        inversion=of_runs("inversion.csv"),
        pictures=of_runs("reconstructions.npz"),
        audit=of_runs("audit.csv"),
        cipher=f"{RESULTS}/cipher_audit.csv",
        cost=of_runs("cost.csv"),
        history=of_runs("history.csv"),
        provenance=of_runs("provenance.json"),
    output:
        f"{RESULTS}/tables/evasion.csv",
        f"{RESULTS}/tables/outcomes.parquet",
        f"{RESULTS}/tables/inversion.csv",
        f"{RESULTS}/tables/audit.csv",
        f"{RESULTS}/tables/cost.csv",
        f"{RESULTS}/tables/history.csv",
        f"{RESULTS}/tables/reconstructions.npz",
        f"{RESULTS}/tables/provenance.json",
        f"{RESULTS}/tables/sha256.json",
    params:
        results=results_dir,
        code=judging_code,
        specs=gathered_specs,
        config=gathered_config,
    log:
        f"{RESULTS}/logs/tables.log",
    group:
        TOGETHER
    resources:
        mem_mb=gathering_memory,
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe tables {params.results:q} {params.specs:q} --config-sha256 {params.config} 2> {log:q}"


rule summary:
    input:
        f"{RESULTS}/tables/evasion.csv",
        f"{RESULTS}/tables/inversion.csv",
        f"{RESULTS}/tables/audit.csv",
        f"{RESULTS}/tables/cost.csv",
        f"{RESULTS}/tables/reconstructions.npz",
        f"{RESULTS}/tables/provenance.json",
    output:
        report(
            expand(
                f"{RESULTS}/summary/{{table}}.csv",
                table=["evasion", "inversion", "audit", "cost"],
            ),
            caption="../report/summary.rst",
            category="Summaries",
        ),
        f"{RESULTS}/summary/reconstructions.npz",
        f"{RESULTS}/summary/provenance.json",
    params:
        results=results_dir,
        code=judging_code,
    log:
        f"{RESULTS}/logs/summary.log",
    conda:
        ENVIRONMENT
    localrule: True
    shell:
        "python -m repobe summary {params.results:q} 2> {log:q}"


rule compare:
    input:
        f"{RESULTS}/summary/evasion.csv",
        f"{RESULTS}/tables/outcomes.parquet",
        f"{RESULTS}/tables/evasion.csv",
        f"{RESULTS}/tables/inversion.csv",
        f"{RESULTS}/tables/audit.csv",
        f"{RESULTS}/tables/history.csv",
        f"{RESULTS}/tables/cost.csv",
        of_suite("workflow/paper/numbers.csv"),
    output:
        report(
            f"{RESULTS}/comparison.csv",
            caption="../report/comparison.rst",
            category="Tables",
        ),
    params:
        results=results_dir,
        code=judging_code,
    log:
        f"{RESULTS}/logs/compare.log",
    resources:
        mem_mb=gathering_memory,
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe compare {params.results:q} 2> {log:q}"


rule claims:
    input:
        f"{RESULTS}/tables/outcomes.parquet",
        f"{RESULTS}/tables/evasion.csv",
        f"{RESULTS}/tables/inversion.csv",
        f"{RESULTS}/tables/audit.csv",
        f"{RESULTS}/tables/history.csv",
        f"{RESULTS}/tables/cost.csv",
        of_suite("workflow/paper/claims.yaml"),
        of_suite("workflow/paper/numbers.csv"),
    output:
        report(
            f"{RESULTS}/claims.csv",
            caption="../report/claims.rst",
            category="Tables",
        ),
        f"{RESULTS}/evidence.csv",
    params:
        results=results_dir,
        code=judging_code,
    log:
        f"{RESULTS}/logs/claims.log",
    group:
        TOGETHER
    resources:
        mem_mb=gathering_memory,
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe claims {params.results:q} 2> {log:q}"


rule decisions:
    input:
        f"{RESULTS}/tables/evasion.csv",
        f"{RESULTS}/tables/audit.csv",
        f"{RESULTS}/tables/outcomes.parquet",
        of_suite("workflow/paper/decisions.yaml"),
    output:
        report(
            f"{RESULTS}/decisions.csv",
            caption="../report/decisions.rst",
            category="Tables",
        ),
    params:
        results=results_dir,
        code=judging_code,
    log:
        f"{RESULTS}/logs/decisions.log",
    group:
        TOGETHER
    resources:
        mem_mb=gathering_memory,
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe decisions {params.results:q} 2> {log:q}"


rule readings:
    input:
        f"{RESULTS}/tables/outcomes.parquet",
        f"{RESULTS}/tables/evasion.csv",
        f"{RESULTS}/tables/inversion.csv",
        f"{RESULTS}/tables/audit.csv",
        f"{RESULTS}/tables/history.csv",
        f"{RESULTS}/tables/cost.csv",
        of_suite("workflow/paper/claims.yaml"),
        of_suite("workflow/paper/readings.yaml"),
        of_suite("workflow/paper/numbers.csv"),
    output:
        report(
            f"{RESULTS}/readings.csv",
            caption="../report/readings.rst",
            category="Tables",
        ),
    params:
        results=results_dir,
        code=judging_code,
    log:
        f"{RESULTS}/logs/readings.log",
    group:
        TOGETHER
    resources:
        mem_mb=gathering_memory,
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe readings {params.results:q} 2> {log:q}"
