rule data:
    output:
        f"{RESULTS}/data/{{dataset}}.safetensors",
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe data {wildcards.dataset:q} {output:q} 2> {log:q}"


rule classifier:
    input:
        data=f"{RESULTS}/data/{{dataset}}.safetensors",
        code="repobe/training/evaluation_classifier.py",  # another training would classify the same pictures otherwise
    output:
        f"{RESULTS}/data/{{dataset}}.classifier.safetensors",
    log:
        f"{RESULTS}/logs/classifier/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe classifier {input.data:q} {output:q} 2> {log:q}"
