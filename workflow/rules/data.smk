rule data:
    localrule: True
    input:
        files_of_data,
    output:
        f"{RESULTS}/data/{{dataset}}.safetensors",
    params:
        source=source_options,
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe data {wildcards.dataset:q} {output:q} {params.source:q} 2> {log:q}"


rule classifier:
    input:
        data=f"{RESULTS}/data/{{dataset}}.safetensors",
        code=classifier_code,  # another training would classify the same images differently
    output:
        f"{RESULTS}/data/{{dataset}}.classifier.safetensors",
    log:
        f"{RESULTS}/logs/classifier/{{dataset}}.log",
    resources:
        mem_mb=classifier_memory,
        gpu=gpu_of_classifier,
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe classifier {input.data:q} {output:q} --gpus {resources.gpu} 2> {log:q}"
