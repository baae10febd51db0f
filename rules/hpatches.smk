# Image matching on homography sequences.


rule resize_sequences:
    input:
        images=dataset_folder,
    output:
        sequences=directory("<shared>/resized/{prepared}"),
    log:
        "<results>/logs/resize_sequences/{prepared}.log",
    benchmark:
        "<results>/timings/resize_sequences/{prepared}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        layout=lambda wildcards: PLAN.images.entries[image_set(wildcards)].layout,
        content=content(dataset_folder),
        code=fingerprint("hndesc.datasets.homography.resizing"),
    message:
        "Resize the sequences of {wildcards.prepared}"
    script:
        "../workflow_scripts/resize_sequences.py"


rule score_hpatches:
    input:
        images=images_folder,
        features="<results>/features/{benchmark}/{descriptor}.h5",
    output:
        text="<results>/scores/{benchmark}/{descriptor}.txt",
        json="<results>/scores/{benchmark}/{descriptor}.json",
        table="<results>/scores/{benchmark}/{descriptor}.csv",
        sequences="<results>/scores/{benchmark}/{descriptor}.sequences.csv",
    log:
        "<results>/logs/score/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/score/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("hpatches")),
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    params:
        settings=lambda wildcards: PLAN.images.hpatches(wildcards.benchmark),
        content=content(images_folder),
        code=lambda wildcards: PLAN.scoring_code(wildcards.benchmark),
    message:
        "Score {wildcards.descriptor} on {wildcards.benchmark}: image matching"
    script:
        "../workflow_scripts/score_hpatches.py"
