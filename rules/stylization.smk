# Stylized copies of the training photos, by one job or in shards.


rule stylize_photos:
    input:
        photos=PLAN.images.photos,
        styles=lambda wildcards: PLAN.runs.styles(wildcards.stylization),
        weights=lambda wildcards: PLAN.runs.stylization_weights(wildcards.stylization),
    output:
        stylized=directory("<shared>/stylized/{stylization}"),
    log:
        "<results>/logs/stylize_photos/{stylization}.log",
    benchmark:
        "<results>/timings/stylize_photos/{stylization}.tsv"
    priority: 2
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=lambda wildcards: PLAN.runs.stylization_settings(wildcards.stylization),
        part=lambda wildcards: wildcards.get("part"),
        seed=PLAN.config.seed,
        content=content(
            lambda wildcards: PLAN.runs.styles(wildcards.stylization),
            lambda wildcards: PLAN.runs.stylization_weights(wildcards.stylization),
        ),
        code=lambda wildcards: PLAN.stylization_code(wildcards.stylization),
    message:
        "Stylize the training photos: {wildcards.stylization}"
    script:
        "../workflow_scripts/stylize_photos.py"


use rule stylize_photos as stylize_shard with:
    output:
        stylized=temp(directory("<shared>/stylized/{stylization}.{part}")),
    log:
        "<results>/logs/stylize_photos/{stylization}.{part}.log",
    benchmark:
        "<results>/timings/stylize_photos/{stylization}.{part}.tsv"
    message:
        "Stylize the training photos: {wildcards.stylization}, shard {wildcards.part}"


ruleorder: gather_stylized > stylize_photos


rule gather_stylized:
    input:
        shards=lambda wildcards: PLAN.runs.stylization_shards(wildcards.stylization),
    output:
        stylized=directory("<shared>/stylized/{stylization}"),
    log:
        "<results>/logs/gather_stylized/{stylization}.log",
    benchmark:
        "<results>/timings/gather_stylized/{stylization}.tsv"
    wildcard_constraints:
        stylization=pattern(PLAN.runs.sharded_stylizations),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(60),
    params:
        code=fingerprint("hndesc.stylization.stylize"),
    message:
        "Gather the shards of stylized photos: {wildcards.stylization}"
    script:
        "../workflow_scripts/gather_stylized.py"


rule measure_stylization:
    input:
        photos=PLAN.images.photos,
        stylized="<shared>/stylized/{stylization}",
    output:
        measures="<results>/tables/stylization/{stylization}.json",
    log:
        "<results>/logs/measure_stylization/{stylization}.log",
    benchmark:
        "<results>/timings/measure_stylization/{stylization}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    params:
        code=fingerprint("hndesc.stylization.measures", DETECTORS.module("sift")),
    message:
        "Measure what stylization changed: {wildcards.stylization}"
    script:
        "../workflow_scripts/measure_stylization.py"
