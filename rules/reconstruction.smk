# Structure from motion of photos without known cameras.


rule pair_photos:
    input:
        images=images_folder,
    output:
        pairs="<results>/reconstruction/{benchmark}/pairs.txt",
    log:
        "<results>/logs/pair_photos/{benchmark}.log",
    benchmark:
        "<results>/timings/pair_photos/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("reconstruction")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=lambda wildcards: PLAN.images.pairs(wildcards.benchmark),
        descriptor=PLAN.config.neighbors.descriptor,
        content=content(images_folder),
        code=PLAN.ranking_code(
            PLAN.config.neighbors.descriptor,
            "hndesc.reconstruction.pairs",
            "hndesc.datasets.photo_sets",
        ),
    message:
        "List the pairs of photos of {wildcards.benchmark} to match"
    script:
        "../workflow_scripts/pair_photos.py"


rule match_photos:
    input:
        images=images_folder,
        features="<results>/features/{benchmark}/{descriptor}.h5",
        pairs="<results>/reconstruction/{benchmark}/pairs.txt",
    output:
        matches="<results>/reconstruction/{benchmark}/{descriptor}/matches.h5",
    log:
        "<results>/logs/match_photos/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/match_photos/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("reconstruction")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        part=lambda wildcards: wildcards.get("part"),
        settings=lambda wildcards: PLAN.images.matching(wildcards.benchmark),
        code=fingerprint("hndesc.localization.matches"),
    message:
        "Match the photos of {wildcards.benchmark} by {wildcards.descriptor}"
    script:
        "../workflow_scripts/match_photos.py"


use rule match_photos as match_photos_shard with:
    output:
        matches=temp(
            "<results>/reconstruction/{benchmark}/{descriptor}/matches.{part}.h5"
        ),
    log:
        "<results>/logs/match_photos/{benchmark}/{descriptor}.{part}.log",
    benchmark:
        "<results>/timings/match_photos/{benchmark}/{descriptor}.{part}.tsv"
    message:
        "Match the photos of {wildcards.benchmark} by {wildcards.descriptor}, shard {wildcards.part}"


use rule gather_matches as gather_photo_matches with:
    input:
        shards=shards_of(
            "<results>/reconstruction/{benchmark}/{descriptor}/matches.{part}.h5"
        ),
    output:
        matches="<results>/reconstruction/{benchmark}/{descriptor}/matches.h5",
    log:
        "<results>/logs/gather_photo_matches/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/gather_photo_matches/{benchmark}/{descriptor}.tsv"


ruleorder: gather_photo_matches > match_photos


rule reconstruct:
    input:
        images=images_folder,
        features="<results>/features/{benchmark}/{descriptor}.h5",
        pairs="<results>/reconstruction/{benchmark}/pairs.txt",
        matches="<results>/reconstruction/{benchmark}/{descriptor}/matches.h5",
    output:
        model=directory("<results>/reconstruction/{benchmark}/{descriptor}/model"),
    log:
        "<results>/logs/reconstruct/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/reconstruct/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("reconstruction")),
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(8000),
        runtime=more(1440),
    params:
        settings=lambda wildcards: PLAN.images.reconstruction(wildcards.benchmark),
        seed=PLAN.config.seed,
        content=content(images_folder),
        code=fingerprint("hndesc.reconstruction.build", "hndesc.datasets.photo_sets"),
    message:
        "Reconstruct {wildcards.benchmark} from matches by {wildcards.descriptor}"
    script:
        "../workflow_scripts/reconstruct.py"


rule score_reconstruction:
    input:
        images=images_folder,
        model="<results>/reconstruction/{benchmark}/{descriptor}/model",
    output:
        text="<results>/scores/{benchmark}/{descriptor}.txt",
        json="<results>/scores/{benchmark}/{descriptor}.json",
    log:
        "<results>/logs/score/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/score/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("reconstruction")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(30),
    params:
        content=content(images_folder),
        code=lambda wildcards: PLAN.scoring_code(wildcards.benchmark),
    message:
        "Score the reconstruction of {wildcards.benchmark} by {wildcards.descriptor}"
    script:
        "../workflow_scripts/score_reconstruction.py"


rule plot_reconstruction:
    input:
        model=of_first("<results>/reconstruction/{benchmark}/{descriptor}/model"),
    output:
        figures=report(
            directory("<results>/figures/{benchmark}_reconstruction"),
            patterns=["{figure}.png"],
            category="Reconstruction",
            caption="report/reconstruction.rst",
            labels={"what": "{figure}"},
        ),
    log:
        "<results>/logs/plot_reconstruction/{benchmark}.log",
    benchmark:
        "<results>/timings/plot_reconstruction/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("reconstruction")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(30),
    params:
        code=fingerprint("hndesc.visualization.reconstructions"),
    message:
        "Draw the reconstruction of {wildcards.benchmark}"
    script:
        "../workflow_scripts/plot_reconstruction.py"
