rule data:
    output:
        f"{RESULTS}/data/{{dataset}}.safetensors",
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe data {wildcards.dataset:q} {output:q} 2> {log:q}"


rule judge:
    input:
        data=f"{RESULTS}/data/{{dataset}}.safetensors",
        judge="repobe/training/evaluation_classifier.py",  # one that was trained otherwise reads the same pictures otherwise
    output:
        f"{RESULTS}/data/{{dataset}}.judge.safetensors",
    log:
        f"{RESULTS}/logs/judge/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe judge {input.data:q} {output:q} 2> {log:q}"
