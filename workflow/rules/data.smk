rule data:
    output:
        f"{RESULTS}/data/{{dataset}}.safetensors",
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe data {wildcards.dataset} {output} 2> {log} || {{ cat {log} >&2; exit 1; }}"


rule judge:
    input:
        f"{RESULTS}/data/{{dataset}}.safetensors",
    output:
        f"{RESULTS}/data/{{dataset}}.judge.safetensors",
    log:
        f"{RESULTS}/logs/judge/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe judge {input} {output} 2> {log} || {{ cat {log} >&2; exit 1; }}"
