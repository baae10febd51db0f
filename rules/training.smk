# Training on pairs of crops. The rolling state is not a declared output, so that an interrupted run resumes from it.


rule train:
    input:
        photos=PLAN.images.photos,
        keypoints=lambda wildcards: PLAN.descriptors.training_keypoints(wildcards.run),
        stylized=lambda wildcards: PLAN.runs.copies(wildcards.run),
        neighbors=lambda wildcards: PLAN.runs.neighbors(wildcards.run),
        weights=lambda wildcards: PLAN.runs.weights(wildcards.run),
    output:
        model="<results>/{run}/model.safetensors",
        card="<results>/{run}/model.json",
        initial="<results>/{run}/initial.safetensors",
        initial_card="<results>/{run}/initial.json",
        history="<results>/{run}/history.csv",
        record="<results>/{run}/validation.npz",
    log:
        "<results>/logs/train/{run}.log",
    benchmark:
        "<results>/timings/train/{run}.tsv"
    priority: 2
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(8000),
        runtime=2880,  # for every attempt; the next one resumes from the state
        gpu=lambda wildcards: gpus(),
        nodes=1,  # one task, which starts one process per GPU
    params:
        settings=lambda wildcards: PLAN.runs.runs[wildcards.run].training,
        seed=lambda wildcards: PLAN.runs.runs[wildcards.run].seed,
        state=lambda wildcards, output: os.path.join(
            os.path.dirname(output.model), "state"
        ),
        content=content(lambda wildcards: PLAN.runs.weights(wildcards.run)),
        code=lambda wildcards: PLAN.training_code(wildcards.run),
    message:
        "Train the descriptors of {wildcards.run}"
    script:
        "../workflow_scripts/train.py"


rule train_detector:
    input:
        photos=PLAN.images.photos,
    output:
        detector="<results>/detector/hndesc.safetensors",
        history="<results>/detector/hndesc.csv",
    log:
        "<results>/logs/train_detector.log",
    benchmark:
        "<results>/timings/train_detector.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(4000),
        runtime=2880,  # for every attempt; the next one resumes from the state
        gpu=lambda wildcards: gpus(),
        nodes=1,
    params:
        settings=PLAN.detector_training,
        code=PLAN.detector_training_code,
    message:
        "Train the keypoint detector"
    script:
        "../workflow_scripts/train_detector.py"
