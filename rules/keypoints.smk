# Keypoints of the training photos and of the images of every benchmark.


rule detect_keypoints:
    input:
        images=images_folder,
        weights=lambda wildcards: PLAN.descriptors.detector_weights(
            keypoint_set(wildcards)
        ),
        distractors=distractors,
        shortlist=shortlisted,
    output:
        keypoints="<shared>/keypoints/{keypoints}.h5",
    log:
        "<results>/logs/detect_keypoints/{keypoints}.log",
    benchmark:
        "<results>/timings/detect_keypoints/{keypoints}.tsv"
    priority: 1
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(120),
        gpu=lambda wildcards: gpus(PLAN.descriptors.detector(keypoint_set(wildcards))),
    params:
        photos=image_selection,
        detector=lambda wildcards: PLAN.descriptors.detector(keypoint_set(wildcards)),
        settings=lambda wildcards: PLAN.descriptors.detector_settings(
            keypoint_set(wildcards), PLAN.images.settings(image_set(wildcards))
        ),
        content=content(
            images_folder,
            distractors,
            lambda wildcards: PLAN.descriptors.detector_weights(
                keypoint_set(wildcards)
            ),
        ),
        code=lambda wildcards: PLAN.descriptors.detector_code(
            keypoint_set(wildcards), PLAN.images.listing(image_set(wildcards))
        ),
    message:
        "Detect {params.detector} keypoints in the images of {wildcards.keypoints}"
    script:
        "../workflow_scripts/detect_keypoints.py"


use rule detect_keypoints as detect_shard with:
    output:
        keypoints=temp("<shared>/keypoints/{keypoints}.{part}.h5"),
    log:
        "<results>/logs/detect_keypoints/{keypoints}.{part}.log",
    benchmark:
        "<results>/timings/detect_keypoints/{keypoints}.{part}.tsv"
    message:
        "Detect {params.detector} keypoints in the images of {wildcards.keypoints}, shard {wildcards.part}"
