# Retrieval: a shortlist, computed by a global descriptor or published, re-ranked by local features.


rule make_places:
    input:
        photos=dataset_folder,
    output:
        places=directory("<shared>/places/{prepared}"),
    log:
        "<results>/logs/make_places/{prepared}.log",
    benchmark:
        "<results>/timings/make_places/{prepared}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(60),
    params:
        content=content(dataset_folder),
        code=fingerprint("hndesc.datasets.places"),
    message:
        "Prepare the places of {wildcards.prepared}"
    script:
        "../workflow_scripts/make_places.py"


rule learn_whitening:
    input:
        photos=PLAN.images.photos,
        weights=lambda wildcards: PLAN.shortlist_weights(wildcards.benchmark),
    output:
        whitening="<results>/shortlists/{benchmark}.whitening.h5",
    log:
        "<results>/logs/learn_whitening/{benchmark}.log",
    benchmark:
        "<results>/timings/learn_whitening/{benchmark}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=lambda wildcards: PLAN.images.shortlist(wildcards.benchmark),
        dimensions=lambda wildcards: PLAN.images.whitening_dimensions(
            wildcards.benchmark
        ),
        content=content(lambda wildcards: PLAN.shortlist_weights(wildcards.benchmark)),
        code=lambda wildcards: PLAN.shortlist_code(wildcards.benchmark),
    message:
        "Learn the whitening of the global descriptors of {wildcards.benchmark}"
    script:
        "../workflow_scripts/learn_whitening.py"


rule describe_globally:
    input:
        images=images_folder,
        weights=lambda wildcards: PLAN.shortlist_weights(wildcards.benchmark),
        distractors=distractors,
    output:
        descriptors=temp("<results>/shortlists/{benchmark}.{part}.descriptors.h5"),
    log:
        "<results>/logs/describe_globally/{benchmark}.{part}.log",
    benchmark:
        "<results>/timings/describe_globally/{benchmark}.{part}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        photos=image_selection,
        settings=lambda wildcards: PLAN.images.shortlist(wildcards.benchmark),
        content=content(
            images_folder,
            distractors,
            lambda wildcards: PLAN.shortlist_weights(wildcards.benchmark),
        ),
        code=lambda wildcards: PLAN.shortlist_code(wildcards.benchmark),
    message:
        "Compute global descriptors of {wildcards.benchmark}, shard {wildcards.part}"
    script:
        "../workflow_scripts/describe_globally.py"


rule make_shortlist:
    input:
        images=images_folder,
        described=shards_of("<results>/shortlists/{benchmark}.{part}.descriptors.h5"),
        weights=lambda wildcards: PLAN.shortlist_weights(wildcards.benchmark),
        whitening=lambda wildcards: PLAN.images.whitening(wildcards.benchmark),
        distractors=distractors,
    output:
        shortlist="<results>/shortlists/{benchmark}.h5",
    log:
        "<results>/logs/make_shortlist/{benchmark}.log",
    benchmark:
        "<results>/timings/make_shortlist/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.with_shortlist),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        kind=lambda wildcards: PLAN.images.selection(wildcards.benchmark)["kind"],
        settings=lambda wildcards: PLAN.images.shortlist(wildcards.benchmark),
        content=content(
            images_folder,
            distractors,
            lambda wildcards: PLAN.shortlist_weights(wildcards.benchmark),
        ),
        code=lambda wildcards: PLAN.shortlist_code(wildcards.benchmark),
    message:
        "Make the shortlists of {wildcards.benchmark} by global descriptors"
    script:
        "../workflow_scripts/make_shortlist.py"


ruleorder: import_shortlist > make_shortlist


rule import_shortlist:
    input:
        images=images_folder,
        ranking=lambda wildcards: PLAN.images.ranking(wildcards.benchmark),
    output:
        shortlist="<results>/shortlists/{benchmark}.h5",
    log:
        "<results>/logs/import_shortlist/{benchmark}.log",
    benchmark:
        "<results>/timings/import_shortlist/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.ranked_by_others),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(30),
    params:
        kind=lambda wildcards: PLAN.images.entries[wildcards.benchmark].kind,
        content=content(
            images_folder, lambda wildcards: PLAN.images.ranking(wildcards.benchmark)
        ),
        code=lambda wildcards: fingerprint(
            "hndesc.retrieval.published_rankings",
            PLAN.images.listing(wildcards.benchmark),
        ),
    message:
        "Import the shortlists of {wildcards.benchmark} from {input.ranking}"
    script:
        "../workflow_scripts/import_shortlist.py"


rule count_inliers:
    input:
        features="<results>/features/{benchmark}/{descriptor}.h5",
        shortlist="<results>/shortlists/{benchmark}.h5",
    output:
        inliers=temp("<results>/retrieval/{benchmark}/{descriptor}/inliers.{part}.h5"),
    log:
        "<results>/logs/count_inliers/{benchmark}/{descriptor}.{part}.log",
    benchmark:
        "<results>/timings/count_inliers/{benchmark}/{descriptor}.{part}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.with_shortlist),
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        settings=lambda wildcards: PLAN.images.counting(wildcards.benchmark),
        code=fingerprint("hndesc.retrieval.reranking"),
    message:
        "Match shortlisted images of {wildcards.benchmark} by {wildcards.descriptor}, shard {wildcards.part}"
    script:
        "../workflow_scripts/count_inliers.py"


rule score_retrieval:
    input:
        images=images_folder,
        features="<results>/features/{benchmark}/{descriptor}.h5",
        shortlist="<results>/shortlists/{benchmark}.h5",
        counted=shards_of(
            "<results>/retrieval/{benchmark}/{descriptor}/inliers.{part}.h5"
        ),
    output:
        text="<results>/scores/{benchmark}/{descriptor}.txt",
        json="<results>/scores/{benchmark}/{descriptor}.json",
    log:
        "<results>/logs/score/{benchmark}/{descriptor}.log",
    benchmark:
        "<results>/timings/score/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.with_shortlist),
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(4000),
        runtime=more(240),
    params:
        score=lambda wildcards: PLAN.images.scorer(wildcards.benchmark),
        settings=lambda wildcards: PLAN.images.scoring(wildcards.benchmark),
        content=content(images_folder),
        code=lambda wildcards: PLAN.scoring_code(wildcards.benchmark),
    message:
        "Score {wildcards.descriptor} on {wildcards.benchmark}: retrieval"
    script:
        "../workflow_scripts/score_retrieval.py"


rule plot_retrieval:
    input:
        images=images_folder,
        distractors=distractors,
        result=of_first("<results>/scores/{benchmark}/{descriptor}.json"),
    output:
        figure=report(
            "<results>/figures/{benchmark}_retrieval.jpg",
            category="Retrieval",
            caption="report/retrieval.rst",
            labels={"what": "{benchmark}: before and after re-ranking"},
        ),
    log:
        "<results>/logs/plot_retrieval/{benchmark}.log",
    benchmark:
        "<results>/timings/plot_retrieval/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.with_shortlist),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(30),
    params:
        kind=lambda wildcards: PLAN.images.entries[wildcards.benchmark].kind,
        label=lambda wildcards: evaluated(wildcards)[0],
        content=content(images_folder, distractors),
        code=lambda wildcards: fingerprint(
            "hndesc.visualization.retrieval_figures",
            PLAN.images.listing(wildcards.benchmark),
        ),
    message:
        "Draw retrieved images of {wildcards.benchmark}"
    script:
        "../workflow_scripts/plot_retrieval.py"
