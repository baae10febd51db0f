# Data: the demo data, datasets of the registry, and the list of a user's photos.


rule demo_data:
    output:
        photos=directory(f"{DEMO}/photos"),
        styles=directory(f"{DEMO}/styles"),
        sequences=directory(f"{DEMO}/sequences"),
        retrieval=directory(f"{DEMO}/retrieval"),
        scene=directory(f"{DEMO}/scene"),
    log:
        "<results>/logs/demo_data.log",
    benchmark:
        "<results>/timings/demo_data.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(2000),
        runtime=more(10),
    params:
        code=fingerprint("hndesc.datasets.demo"),
    message:
        "Create the demo data: photographs, styles, homography sequences, retrieval images and a scene"
    script:
        "../workflow_scripts/demo_data.py"


# No code fingerprint, since the content is determined by the registry and its checksums. Runs on the head node, since
# other nodes often have no network access.
rule get_dataset:
    output:
        folder=directory("data/{dataset}"),
    log:
        "<results>/logs/get_dataset/{dataset}.log",
    benchmark:
        "<results>/timings/get_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=pattern(PLAN.to_fetch("data/")),
    localrule: True
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(2880),
    params:
        settings=PLAN.dataset_settings,
    message:
        "Download, verify and unpack the dataset {wildcards.dataset}"
    script:
        "../workflow_scripts/get_dataset.py"


rule get_weights:
    output:
        file="data/weights/{dataset}",
    log:
        "<results>/logs/get_dataset/{dataset}.log",
    benchmark:
        "<results>/timings/get_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=pattern(PLAN.to_fetch("data/weights/")),
    localrule: True
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(500),
        runtime=more(240),
    params:
        settings=PLAN.dataset_settings,
    message:
        "Download and verify the weights {wildcards.dataset}"
    script:
        "../workflow_scripts/get_dataset.py"


rule list_photos:
    input:
        photos=lambda wildcards: PLAN.photos,
    output:
        photos=directory(PLAN.images.photos),
    log:
        "<results>/logs/list_photos.log",
    benchmark:
        "<results>/timings/list_photos.tsv"
    priority: 2
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(2000),
        runtime=more(240),
    params:
        content=content(lambda wildcards: PLAN.photos),
        code=fingerprint("hndesc.datasets.image_list"),
    message:
        "List the training photos in {input.photos}"
    script:
        "../workflow_scripts/list_photos.py"
