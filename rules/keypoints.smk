# Keypoints of the training photos and of every benchmark's images.


rule detect_keypoints:
    input:
        images=images_folder,
        weights=config["keypoints"].get("weights") or [],
        distractors=distractors,
        shortlist=put_forward,
    output:
        keypoints="results/keypoints/{images}.h5",
    log:
        "results/logs/detect_keypoints/{images}.log",
    benchmark:
        "results/timings/detect_keypoints/{images}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(120),
        gpu=lambda wildcards: gpus(config["keypoints"]["detector"]),
    params:
        photos=photo_selection,
        detector=config["keypoints"]["detector"],
        settings=lambda wildcards: detector_settings() | image_settings(wildcards),
        code=fingerprint(
            "hndesc.extraction", DETECTORS.module(config["keypoints"]["detector"])
        ),
    script:
        "../workflow_scripts/detect_keypoints.py"


use rule detect_keypoints as detect_shard with:
    output:
        keypoints=temp("results/keypoints/{images}.{part}.h5"),
    log:
        "results/logs/detect_keypoints/{images}.{part}.log",
    benchmark:
        "results/timings/detect_keypoints/{images}.{part}.tsv"
