# Stylised copies of the training photos.


rule stylize_photos:
    input:
        photos=PHOTOS,
        styles=lambda wildcards: folder(config["styles"], "styles"),
    output:
        stylized=directory(f"results/stylized/{TRAINING}"),
    log:
        "results/logs/stylize_photos.log",
    benchmark:
        "results/timings/stylize_photos.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=config["stylization"],
        seed=config["seed"],
        code=fingerprint(
            "hndesc.stylization.step", METHODS.module(config["stylization"]["method"])
        ),
    script:
        "../workflow_scripts/stylize_photos.py"
