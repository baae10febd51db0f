# The model: trained on pairs of crops. The rolling state lies outside the declared outputs: an interrupted run goes on.


rule train:
    input:
        photos=PHOTOS,
        keypoints=f"results/keypoints/{TRAINING}.h5",
        stylized=(
            f"results/stylized/{TRAINING}"
            if config["training"]["stylized_probability"] > 0
            else []
        ),
        neighbours=f"results/neighbours/{TRAINING}.tsv" if needs_neighbours() else [],
        weights=backbone_weights,
    output:
        model="results/training/model.safetensors",
        card="results/training/model.json",
        initial="results/training/initial.safetensors",
        initial_card="results/training/initial.json",
        history="results/training/history.csv",
    log:
        "results/logs/train.log",
    benchmark:
        "results/timings/train.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=2880,
    params:
        settings=config["training"],
        seed=config["seed"],
        state=lambda wildcards, output: os.path.join(
            os.path.dirname(output.model), "state"
        ),
        code=fingerprint(
            "hndesc.training.step", MODELS.module(config["training"]["architecture"])
        ),
    script:
        "../workflow_scripts/train.py"
