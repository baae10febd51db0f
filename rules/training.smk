# The model: trained on pairs of crops. The rolling state lies outside the declared outputs: an interrupted run goes on.


rule train:
    input:
        photos=PHOTOS,
        keypoints=f"results/keypoints/{TRAINING}.h5",
        stylized=stylized_copies,
        neighbours=run_neighbours,
        weights=backbone_weights,
    output:
        model="results/{run}/model.safetensors",
        card="results/{run}/model.json",
        initial="results/{run}/initial.safetensors",
        initial_card="results/{run}/initial.json",
        history="results/{run}/history.csv",
        record="results/{run}/validation.npz",
    log:
        "results/logs/train/{run}.log",
    benchmark:
        "results/timings/train/{run}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=more(8000),
        runtime=2880,  # enough for every attempt: the next one goes on from the state
        gpu=lambda wildcards: gpus(),
        nodes=1,  # one task, which starts a process a GPU by itself
    params:
        settings=run_settings,
        seed=lambda wildcards: RUNS[wildcards.run]["seed"],
        state=lambda wildcards, output: os.path.join(
            os.path.dirname(output.model), "state"
        ),
        code=lambda wildcards: fingerprint(
            "hndesc.training.step",
            MODELS.module(run_settings(wildcards)["architecture"]),
        ),
    script:
        "../workflow_scripts/train.py"
