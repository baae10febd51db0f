# Descriptors at the keypoints of a benchmark's images, one file a descriptor.


rule describe_keypoints:
    input:
        images=images_folder,
        keypoints="results/keypoints/{benchmark}.h5",
        model=model_file,
    output:
        features="results/features/{benchmark}/{descriptor}.h5",
    log:
        "results/logs/describe_keypoints/{benchmark}/{descriptor}.log",
    benchmark:
        "results/timings/describe_keypoints/{benchmark}/{descriptor}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=240,
    params:
        kind=lambda wildcards: BENCHMARKS[wildcards.benchmark]["kind"],
        code=descriptor_code,
    script:
        "../workflow_scripts/describe_keypoints.py"
