# Photos split into those to train on and those to judge by, and sequences made of the latter.

if f"data/{SPLIT.get('name')}" in REGISTERED:
    raise WorkflowError(
        f"config key split.name: '{SPLIT['name']}' is the name of a registered dataset; choose another"
    )


def split_sources(wildcards):
    photos = SPLIT["photos"]
    return [
        folder(path, "split.photos")
        for path in ([photos] if isinstance(photos, str) else photos)
    ]


def split_settings(keys):
    return {key: SPLIT[key] for key in keys if key in SPLIT}


rule split_photos:
    input:
        photos=split_sources,
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
        settings=split_settings(["share", "seed", "train_on"]),
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
        settings=split_settings(["seed"]) | SPLIT.get("sequences", {}),
        code=fingerprint("hndesc.datasets.homography_sequences"),
    script:
        "../workflow_scripts/make_sequences.py"
