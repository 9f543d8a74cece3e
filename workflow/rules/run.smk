import json

from repobe.runs import status


rule spec:
    output:
        f"{RUNS}/{{run}}/spec.yaml",
    params:
        description=spec_json,
    log:
        f"{RESULTS}/logs/spec/{{run}}.log",
    conda:
        ENVIRONMENT
    localrule: True
    shell:
        "python -m repobe spec {params.description:q} {output:q} 2> {log:q}"


# A new attack or attacker changes a run's spec but needs no new training. A change of this file does.
rule training:
    output:
        f"{RUNS}/{{run}}/training.json",
    params:
        description=training_json,
    log:
        f"{RESULTS}/logs/training/{{run}}.log",
    conda:
        ENVIRONMENT
    localrule: True
    shell:
        "echo {params.description:q} > {output:q} 2> {log:q}"


rule train:
    input:
        spec=ancient(f"{RUNS}/{{run}}/spec.yaml"),
        training=f"{RUNS}/{{run}}/training.json",
        data=data_of,
        method=method_of,
        channel=channel_of,
        teacher=teacher_of,
    output:
        [f"{RUNS}/{{run}}/{name}" for name in status.STAGES["train"]],
    log:
        f"{RESULTS}/logs/train/{{run}}.log",
    priority: train_priority
    threads: config["threads"]
    resources:
        mem_mb=train_memory,
        runtime=train_minutes,
        gpu=gpu,
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe train {input.spec:q} --gpus {resources.gpu} 2> {log:q}"


# One process measures all of a run, because importing torch and reading the data cost as much as a small audit.
rule measure:
    input:
        spec=f"{RUNS}/{{run}}/spec.yaml",
        data=data_of,
        model=f"{RUNS}/{{run}}/model.safetensors",
        surrogates=surrogates_of,
        attacks=attacks_of,
        channel=channel_of,
        classifier=classifier_of,
    output:
        [f"{RUNS}/{{run}}/{name}" for name in status.STAGES["measure"]],
    log:
        f"{RESULTS}/logs/measure/{{run}}.log",
    priority: 1  # when it ends, it removes the checkpoint of the training
    threads: config["threads"]
    resources:
        mem_mb=measure_memory,
        runtime=measure_minutes,
        gpu=gpu,
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe measure {input.spec:q} --gpus {resources.gpu} 2> {log:q}"


rule cipher_audit:
    output:
        f"{RESULTS}/cipher_audit.csv",
    params:
        audit=json.dumps(config["audit"]),
    log:
        f"{RESULTS}/logs/cipher_audit.log",
    conda:
        ENVIRONMENT
    shell:
        "python -m repobe cipher_audit {params.audit:q} {output:q} 2> {log:q}"
