# Stylised copies of the training photos, in one job or by shards.


rule stylize_photos:
    input:
        photos=PHOTOS,
        styles=lambda wildcards: styles_folder(*stylization(wildcards)),
        weights=stylization_weights,
    output:
        stylized=directory("results/stylized/{stylization}"),
    log:
        "results/logs/stylize_photos/{stylization}.log",
    benchmark:
        "results/timings/stylize_photos/{stylization}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=lambda wildcards: {
            key: value
            for key, value in STYLIZATIONS[wildcards.stylization].items()
            if key != "shards"
        },
        part=lambda wildcards: wildcards.get("part"),
        seed=CONFIG["seed"],
        content=content(
            lambda wildcards: styles_folder(*stylization(wildcards)),
            stylization_weights,
        ),
        code=lambda wildcards: fingerprint(
            "hndesc.stylization.step",
            *map(METHODS.module, methods_of(*stylization(wildcards))),
        ),
    script:
        "../workflow_scripts/stylize_photos.py"


use rule stylize_photos as stylize_shard with:
    output:
        stylized=temp(directory("results/stylized/{stylization}.{part}")),
    log:
        "results/logs/stylize_photos/{stylization}.{part}.log",
    benchmark:
        "results/timings/stylize_photos/{stylization}.{part}.tsv"


ruleorder: gather_stylized > stylize_photos


rule gather_stylized:
    input:
        shards=stylization_shards,
    output:
        stylized=directory("results/stylized/{stylization}"),
    log:
        "results/logs/gather_stylized/{stylization}.log",
    benchmark:
        "results/timings/gather_stylized/{stylization}.tsv"
    wildcard_constraints:
        stylization=sharded_stylizations(),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(60),
    params:
        code=fingerprint("hndesc.stylization.step"),
    script:
        "../workflow_scripts/gather_stylized.py"


rule measure_stylization:
    input:
        photos=PHOTOS,
        stylized="results/stylized/{stylization}",
    output:
        measures="results/tables/stylization/{stylization}.json",
    log:
        "results/logs/measure_stylization/{stylization}.log",
    benchmark:
        "results/timings/measure_stylization/{stylization}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    params:
        code=fingerprint("hndesc.stylization.measures", DETECTORS.module("sift")),
    script:
        "../workflow_scripts/measure_stylization.py"
