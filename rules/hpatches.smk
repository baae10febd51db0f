# Image matching on homography sequences.


rule score_hpatches:
    input:
        images=images_folder,
        features="results/features/{benchmark}/{descriptor}.h5",
    output:
        text="results/scores/{benchmark}/{descriptor}.txt",
        json="results/scores/{benchmark}/{descriptor}.json",
    log:
        "results/logs/score/{benchmark}/{descriptor}.log",
    benchmark:
        "results/timings/score/{benchmark}/{descriptor}.tsv"
    wildcard_constraints:
        benchmark=of_kind("hpatches"),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(60),
    params:
        settings=benchmark_settings,
        code=fingerprint("hndesc.benchmarks.hpatches"),
    script:
        "../workflow_scripts/score_hpatches.py"
