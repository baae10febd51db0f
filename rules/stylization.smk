# Stylised copies of the training photos.


rule stylize_photos:
    input:
        photos=PHOTOS,
        styles=lambda wildcards: folder(config["styles"], "styles"),
    output:
        stylized=directory("results/stylized/{stylization}"),
    log:
        "results/logs/stylize_photos/{stylization}.log",
    benchmark:
        "results/timings/stylize_photos/{stylization}.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=lambda wildcards: STYLIZATIONS[wildcards.stylization],
        seed=config["seed"],
        code=lambda wildcards: fingerprint(
            "hndesc.stylization.step",
            METHODS.module(STYLIZATIONS[wildcards.stylization]["method"]),
        ),
    script:
        "../workflow_scripts/stylize_photos.py"
