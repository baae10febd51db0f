# Descriptors at the keypoints of a benchmark's images, one file a descriptor.


rule describe_keypoints:
    input:
        images=images_folder,
        keypoints=keypoint_file,
        model=model_file,
        weights=descriptor_weights,
        distractors=distractors,
        shortlist=put_forward,
    output:
        features="results/features/{benchmark}/{descriptor}.h5",
    log:
        "results/logs/describe_keypoints/{benchmark}/{descriptor}.log",
    benchmark:
        "results/timings/describe_keypoints/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        descriptor=described(),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(6000),
        runtime=more(240),
        gpu=lambda wildcards: gpus(described_by(wildcards)),
    params:
        photos=photo_selection,
        descriptor=described_by,
        settings=descriptor_settings,
        precision=precision,
        content=content(images_folder, distractors),
        code=descriptor_code,
    script:
        "../workflow_scripts/describe_keypoints.py"


use rule describe_keypoints as describe_shard with:
    input:
        images=images_folder,
        keypoints=keypoint_file,
        model=model_file,
        weights=descriptor_weights,
        distractors=distractors,
        shortlist=put_forward,
    output:
        features=temp("results/features/{benchmark}/{descriptor}.{part}.h5"),
    log:
        "results/logs/describe_keypoints/{benchmark}/{descriptor}.{part}.log",
    benchmark:
        "results/timings/describe_keypoints/{benchmark}/{descriptor}.{part}.tsv"


ruleorder: import_features > gather_features > describe_keypoints


rule gather_features:
    input:
        shards=shards_of("results/features/{benchmark}/{descriptor}.{part}.h5"),
    output:
        features="results/features/{benchmark}/{descriptor}.h5",
    log:
        "results/logs/gather_features/{benchmark}/{descriptor}.log",
    benchmark:
        "results/timings/gather_features/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark="|".join(SHARDS) or "(?!)",
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(240),
    params:
        code=fingerprint("hndesc.features"),
    script:
        "../workflow_scripts/gather_features.py"


rule import_features:
    input:
        features=imported_features,
    output:
        features="results/features/{benchmark}/{descriptor}.h5",
    log:
        "results/logs/import_features/{benchmark}/{descriptor}.log",
    benchmark:
        "results/timings/import_features/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        descriptor=imported(),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(60),
    params:
        code=fingerprint("hndesc.features"),
    script:
        "../workflow_scripts/import_features.py"
