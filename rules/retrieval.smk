# Retrieval: a shortlist by a global descriptor, re-ranked by local features.


rule make_shortlist:
    input:
        images=images_folder,
    output:
        shortlist="results/shortlists/{benchmark}.h5",
    log:
        "results/logs/make_shortlist/{benchmark}.log",
    benchmark:
        "results/timings/make_shortlist/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=of_kind("retrieval"),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        descriptor=config["neighbours"]["descriptor"],
        code=fingerprint(
            "hndesc.neighbours",
            GLOBAL_DESCRIPTORS.module(config["neighbours"]["descriptor"]),
        ),
    script:
        "../workflow_scripts/make_shortlist.py"


rule score_retrieval:
    input:
        images=images_folder,
        features="results/features/{benchmark}/{descriptor}.h5",
        shortlist="results/shortlists/{benchmark}.h5",
    output:
        text="results/scores/{benchmark}/{descriptor}.txt",
        json="results/scores/{benchmark}/{descriptor}.json",
    log:
        "results/logs/score/{benchmark}/{descriptor}.log",
    benchmark:
        "results/timings/score/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=of_kind("retrieval"),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=benchmark_settings,
        code=fingerprint("hndesc.benchmarks.revisitop"),
    script:
        "../workflow_scripts/score_retrieval.py"
