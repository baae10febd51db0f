# Keypoints of the training photos and of every benchmark's images.


rule detect_keypoints:
    input:
        images=images_folder,
        weights=lambda wildcards: PLAN.descriptors.detector_weights(wildcards.points),
        distractors=distractors,
        shortlist=shortlisted,
    output:
        keypoints="results/keypoints/{images}{points}.h5",
    log:
        "results/logs/detect_keypoints/{images}{points}.log",
    benchmark:
        "results/timings/detect_keypoints/{images}{points}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(120),
        gpu=lambda wildcards: gpus(PLAN.descriptors.detector(wildcards.points)),
    params:
        photos=photo_selection,
        detector=lambda wildcards: PLAN.descriptors.detector(wildcards.points),
        settings=lambda wildcards: PLAN.descriptors.detector_settings(
            wildcards.points, PLAN.images.settings(wildcards.images)
        ),
        content=content(images_folder, distractors),
        code=lambda wildcards: PLAN.descriptors.detector_code(
            wildcards.points, PLAN.images.listing(wildcards.images)
        ),
    script:
        "../workflow_scripts/detect_keypoints.py"


use rule detect_keypoints as detect_shard with:
    output:
        keypoints=temp("results/keypoints/{images}{points}.{part}.h5"),
    log:
        "results/logs/detect_keypoints/{images}{points}.{part}.log",
    benchmark:
        "results/timings/detect_keypoints/{images}{points}.{part}.tsv"
