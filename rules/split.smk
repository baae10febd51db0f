# The split of photos into training and held-out photos, and synthetic sequences of the latter.


rule split_photos:
    input:
        photos=lambda wildcards: PLAN.photos_to_split,
    output:
        training=directory("data/{split}/training"),
        validation=directory("data/{split}/held_out/validation"),
        test=directory("data/{split}/held_out/test"),
    log:
        "<results>/logs/split_photos/{split}.log",
    benchmark:
        "<results>/timings/split_photos/{split}.tsv"
    wildcard_constraints:
        split=pattern(PLAN.split_name),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(240),
    params:
        output=lambda wildcards, output: os.path.dirname(output.training),
        settings=PLAN.split_settings,
        content=content(lambda wildcards: PLAN.photos_to_split),
        code=fingerprint("hndesc.datasets.splits"),
    message:
        "Split the photos {wildcards.split} into training and held-out photos"
    script:
        "../workflow_scripts/split_photos.py"


rule make_sequences:
    input:
        photos="data/{split}/held_out/{side}",
    output:
        sequences=directory("data/{split}/sequences/{side}"),
    log:
        "<results>/logs/make_sequences/{split}/{side}.log",
    benchmark:
        "<results>/timings/make_sequences/{split}/{side}.tsv"
    wildcard_constraints:
        split=pattern(PLAN.split_name),
        side="validation|test",
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        settings=PLAN.sequence_settings,
        code=fingerprint("hndesc.datasets.synthetic_sequences"),
    message:
        "Create homography sequences of the held-out {wildcards.side} photos of {wildcards.split}"
    script:
        "../workflow_scripts/make_sequences.py"
