# The demo data: made from photographs that Python packages bundle.


rule demo_data:
    output:
        photos=directory(f"{DEMO}/photos"),
        styles=directory(f"{DEMO}/styles"),
        sequences=directory(f"{DEMO}/sequences"),
        retrieval=directory(f"{DEMO}/retrieval"),
        scene=directory(f"{DEMO}/scene"),
    log:
        "results/logs/demo_data.log",
    benchmark:
        "results/timings/demo_data.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("hndesc.datasets.demo"),
    script:
        "../workflow_scripts/demo_data.py"
