# Photos split into those to train on and those to judge by, and sequences made of the latter.

if f"data/{SPLIT.get('name')}" in REGISTERED:
    raise WorkflowError(
        f"config key split.name: '{SPLIT['name']}' is the name of a registered dataset; choose another"
    )


SPLIT_PHOTOS = (
    [SPLIT["photos"]]
    if isinstance(SPLIT.get("photos"), str)
    else SPLIT.get("photos", [])
)


rule split_photos:
    input:
        photos=split_folders,
    output:
        training=directory("data/{split}/training"),
        validation=directory("data/{split}/held_out/validation"),
        test=directory("data/{split}/held_out/test"),
    log:
        "results/logs/split_photos/{split}.log",
    benchmark:
        "results/timings/split_photos/{split}.tsv"
    wildcard_constraints:
        split=SPLIT.get("name", "(?!)"),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(240),
    params:
        output=lambda wildcards, output: os.path.dirname(output.training),
        settings={
            key: SPLIT[key] for key in ("share", "seed", "train_on") if key in SPLIT
        },
        content=content(split_folders),
        code=fingerprint("hndesc.datasets.photo_split"),
    script:
        "../workflow_scripts/split_photos.py"


rule make_sequences:
    input:
        photos="data/{split}/held_out/{side}",
    output:
        sequences=directory("data/{split}/sequences/{side}"),
    log:
        "results/logs/make_sequences/{split}/{side}.log",
    benchmark:
        "results/timings/make_sequences/{split}/{side}.tsv"
    wildcard_constraints:
        split=SPLIT.get("name", "(?!)"),
        side="validation|test",
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(60),
    params:
        settings={key: SPLIT[key] for key in ("seed",) if key in SPLIT}
        | SPLIT.get("sequences", {}),
        code=fingerprint("hndesc.datasets.homography_sequences"),
    script:
        "../workflow_scripts/make_sequences.py"
