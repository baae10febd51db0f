# Descriptors at the keypoints of the images of a benchmark, one file per descriptor.


rule describe_keypoints:
    input:
        images=images_folder,
        keypoints=described_keypoints,
        model=lambda wildcards: PLAN.descriptors.model(wildcards.descriptor),
        weights=lambda wildcards: PLAN.descriptors.weights(wildcards.descriptor),
        distractors=distractors,
        shortlist=shortlisted,
    output:
        features="<results>/features/{benchmark}/{descriptor}.h5",
    log:
        "<results>/logs/describe_keypoints/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/describe_keypoints/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        descriptor=pattern(PLAN.descriptors.described),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(6000),
        runtime=more(240),
        gpu=lambda wildcards: gpus(PLAN.descriptors.kind(wildcards.descriptor)),
    params:
        photos=image_selection,
        descriptor=lambda wildcards: PLAN.descriptors.kind(wildcards.descriptor),
        settings=lambda wildcards: PLAN.descriptors.settings(wildcards.descriptor),
        views=lambda wildcards: PLAN.descriptors.views(wildcards.descriptor),
        precision=lambda wildcards: PLAN.images.entries[wildcards.benchmark].precision,
        content=content(
            images_folder,
            distractors,
            lambda wildcards: PLAN.descriptors.files(wildcards.descriptor),
        ),
        code=lambda wildcards: PLAN.descriptors.code(
            wildcards.descriptor, PLAN.images.listing(wildcards.benchmark)
        ),
    message:
        "Describe the keypoints of {wildcards.benchmark} by {wildcards.descriptor}"
    script:
        "../workflow_scripts/describe_keypoints.py"


use rule describe_keypoints as describe_shard with:
    input:
        images=images_folder,
        keypoints=described_keypoints,
        model=lambda wildcards: PLAN.descriptors.model(wildcards.descriptor),
        weights=lambda wildcards: PLAN.descriptors.weights(wildcards.descriptor),
        distractors=distractors,
        shortlist=shortlisted,
    output:
        features=temp("<results>/features/{benchmark}/{descriptor}.{part}.h5"),
    log:
        "<results>/logs/describe_keypoints/{benchmark}/{descriptor}.{part}.log",
    benchmark:
        "<results>/timings/describe_keypoints/{benchmark}/{descriptor}.{part}.tsv"
    message:
        "Describe the keypoints of {wildcards.benchmark} by {wildcards.descriptor}, shard {wildcards.part}"


ruleorder: import_features > gather_features > describe_keypoints


rule gather_features:
    input:
        shards=shards_of("<results>/features/{benchmark}/{descriptor}.{part}.h5"),
    output:
        features="<results>/features/{benchmark}/{descriptor}.h5",
    log:
        "<results>/logs/gather_features/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/gather_features/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.sharded),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(240),
    params:
        code=fingerprint("hndesc.io.features"),
    message:
        "Gather the shards of descriptors by {wildcards.descriptor} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/gather_features.py"


rule import_features:
    input:
        features=lambda wildcards: PLAN.descriptors.features(
            wildcards.benchmark, wildcards.descriptor
        ),
    output:
        features="<results>/features/{benchmark}/{descriptor}.h5",
    log:
        "<results>/logs/import_features/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/import_features/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        descriptor=pattern(PLAN.descriptors.imported),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(60),
    params:
        content=content(
            lambda wildcards: PLAN.descriptors.features(
                wildcards.benchmark, wildcards.descriptor
            )
        ),
        code=fingerprint("hndesc.io.features"),
    message:
        "Import the features {wildcards.descriptor} of {wildcards.benchmark}"
    script:
        "../workflow_scripts/import_features.py"
