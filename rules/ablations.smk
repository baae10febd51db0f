# The ablation: all variants share keypoints and stylized photos, and are trained and evaluated in the same way.


rule ablation_table:
    input:
        results=expand(
            "<results>/scores/{benchmark}/{descriptor}.json",
            benchmark=PLAN.runs.benchmarks,
            descriptor=[descriptor for _, descriptor in PLAN.runs.evaluated],
        ),
        histories=expand("<results>/{run}/history.csv", run=PLAN.runs.variants.values()),
    output:
        text="<results>/ablation/table.txt",
        table="<results>/ablation/table.csv",
        figure=report(
            "<results>/ablation/plot.png",
            category="Ablation",
            caption="report/ablation.rst",
            labels={"what": "variants of the training"},
        ),
    log:
        "<results>/logs/ablation_table.log",
    benchmark:
        "<results>/timings/ablation_table.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(10),
    params:
        benchmarks=[name for name in PLAN.runs.benchmarks for _ in PLAN.runs.evaluated],
        names=[name for _ in PLAN.runs.benchmarks for name, _ in PLAN.runs.evaluated],
        trained=[name for name, _ in PLAN.runs.variants],
        differences=PLAN.runs.differences,
        note=PLAN.note,
        code=fingerprint("hndesc.visualization.ablation"),
    message:
        "Write the table of the ablation"
    script:
        "../workflow_scripts/ablation_table.py"


use rule page as ablation_page with:
    input:
        results=[],
        figures=rules.ablation_table.output,
    output:
        page="<results>/ablation/index.html",
    log:
        "<results>/logs/ablation_page.log",
    benchmark:
        "<results>/timings/ablation_page.tsv"
    params:
        benchmarks=[],
        descriptors=[],
        sections=PLAN.ablation_sections,
        title=f"{PLAN.title}: ablation",
        note="",  # the table begins with it
        links={},
        code=PLAN.page_code,


rule ablation:
    input:
        rules.ablation_table.output,
        rules.ablation_page.output,
    message:
        "The ablation is finished"
