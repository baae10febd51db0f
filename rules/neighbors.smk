# The table of similar training photos, for hard negatives.


rule find_neighbors:
    input:
        photos=PLAN.images.photos,
    output:
        neighbors=f"<results>/neighbors/{TRAINING}.tsv",
    log:
        "<results>/logs/find_neighbors.log",
    benchmark:
        "<results>/timings/find_neighbors.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(120),
    params:
        settings=PLAN.neighbor_settings,
        code=PLAN.ranking_code(PLAN.config.neighbors.descriptor),
    message:
        "Find similar training photos for hard negatives"
    script:
        "../workflow_scripts/find_neighbors.py"
