# Visual localization: triangulation of a map with known poses, and registration of queries.


rule list_pairs:
    input:
        images=images_folder,
        lists=lambda wildcards: PLAN.images.pair_lists(wildcards.benchmark),
    output:
        pairs="<results>/localization/{benchmark}/pairs.txt",
    log:
        "<results>/logs/list_pairs/{benchmark}.log",
    benchmark:
        "<results>/timings/list_pairs/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("localization")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=lambda wildcards: PLAN.images.pairs(wildcards.benchmark),
        descriptor=PLAN.config.neighbors.descriptor,
        content=content(
            images_folder,
            lambda wildcards: PLAN.images.pair_lists(wildcards.benchmark),
        ),
        code=PLAN.ranking_code(
            PLAN.config.neighbors.descriptor, "hndesc.localization.pairs"
        ),
    message:
        "List the pairs of images of {wildcards.benchmark} to match"
    script:
        "../workflow_scripts/list_pairs.py"


rule match_pairs:
    input:
        images=images_folder,
        features="<results>/features/{benchmark}/{descriptor}.h5",
        pairs="<results>/localization/{benchmark}/pairs.txt",
    output:
        matches="<results>/localization/{benchmark}/{descriptor}/matches.h5",
    log:
        "<results>/logs/match_pairs/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/match_pairs/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("localization")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        part=lambda wildcards: wildcards.get("part"),
        settings=lambda wildcards: PLAN.images.matching(wildcards.benchmark),
        content=content(images_folder),
        code=fingerprint("hndesc.localization.matches"),
    message:
        "Match the pairs of {wildcards.benchmark} by {wildcards.descriptor}"
    script:
        "../workflow_scripts/match_pairs.py"


use rule match_pairs as match_shard with:
    output:
        matches=temp(
            "<results>/localization/{benchmark}/{descriptor}/matches.{part}.h5"
        ),
    log:
        "<results>/logs/match_pairs/{benchmark}/{descriptor}.{part}.log",
    benchmark:
        "<results>/timings/match_pairs/{benchmark}/{descriptor}.{part}.tsv"
    message:
        "Match the pairs of {wildcards.benchmark} by {wildcards.descriptor}, shard {wildcards.part}"


ruleorder: gather_matches > match_pairs


rule gather_matches:
    input:
        shards=shards_of(
            "<results>/localization/{benchmark}/{descriptor}/matches.{part}.h5"
        ),
    output:
        matches="<results>/localization/{benchmark}/{descriptor}/matches.h5",
    log:
        "<results>/logs/gather_matches/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/gather_matches/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.sharded),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(240),
    params:
        code=fingerprint("hndesc.localization.matches"),
    message:
        "Gather the shards of matches by {wildcards.descriptor} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/gather_matches.py"


rule build_map:
    input:
        images=images_folder,
        features="<results>/features/{benchmark}/{descriptor}.h5",
        pairs="<results>/localization/{benchmark}/pairs.txt",
        matches="<results>/localization/{benchmark}/{descriptor}/matches.h5",
    output:
        map=directory("<results>/localization/{benchmark}/{descriptor}/map"),
    log:
        "<results>/logs/build_map/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/build_map/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("localization")),
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(8000),
        runtime=more(240),
    params:
        settings=lambda wildcards: PLAN.images.scoring(wildcards.benchmark).get(
            "map", {}
        ),
        seed=PLAN.config.seed,
        content=content(images_folder),
        code=fingerprint("hndesc.localization.mapping"),
    message:
        "Triangulate the map of {wildcards.benchmark} from matches by {wildcards.descriptor}"
    script:
        "../workflow_scripts/build_map.py"


rule score_localization:
    input:
        images=images_folder,
        features="<results>/features/{benchmark}/{descriptor}.h5",
        pairs="<results>/localization/{benchmark}/pairs.txt",
        matches="<results>/localization/{benchmark}/{descriptor}/matches.h5",
        map="<results>/localization/{benchmark}/{descriptor}/map",
    output:
        text="<results>/scores/{benchmark}/{descriptor}.txt",
        json="<results>/scores/{benchmark}/{descriptor}.json",
    log:
        "<results>/logs/score/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/score/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("localization")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=lambda wildcards: PLAN.images.registration(wildcards.benchmark),
        seed=PLAN.config.seed,
        content=content(images_folder),
        code=lambda wildcards: PLAN.scoring_code(wildcards.benchmark),
    message:
        "Localize the queries of {wildcards.benchmark} by {wildcards.descriptor}"
    script:
        "../workflow_scripts/score_localization.py"


rule plot_localization:
    input:
        images=images_folder,
        features=of_first("<results>/features/{benchmark}/{descriptor}.h5"),
        pairs="<results>/localization/{benchmark}/pairs.txt",
        matches=of_first("<results>/localization/{benchmark}/{descriptor}/matches.h5"),
        map=of_first("<results>/localization/{benchmark}/{descriptor}/map"),
        results=scores,
    output:
        figures=report(
            directory("<results>/figures/{benchmark}_localization"),
            patterns=["{figure}.jpg"],
            category="Localization",
            caption="report/localization.rst",
            labels={"what": "{figure}"},
        ),
    log:
        "<results>/logs/plot_localization/{benchmark}.log",
    benchmark:
        "<results>/timings/plot_localization/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("localization")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(30),
    params:
        labels=evaluated,
        order=PLAN.descriptors.names,
        content=content(images_folder),
        code=fingerprint("hndesc.visualization.maps"),
    message:
        "Draw the maps and matches of {wildcards.benchmark}"
    script:
        "../workflow_scripts/plot_localization.py"
