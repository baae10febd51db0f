# Which training photos look alike: hard negatives for coarse-to-fine training.


rule find_neighbours:
    input:
        photos=PLAN.images.photos,
    output:
        neighbours=f"<results>/neighbours/{TRAINING}.tsv",
    log:
        "<results>/logs/find_neighbours.log",
    benchmark:
        "<results>/timings/find_neighbours.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(4000),
        runtime=more(120),
    params:
        settings=PLAN.neighbor_settings,
        code=PLAN.ranking_code(PLAN.config.neighbours.descriptor),
    script:
        "../workflow_scripts/find_neighbours.py"
