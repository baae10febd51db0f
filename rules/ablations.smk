# The ablation: every variant is trained and judged alike, on keypoints and stylised photos that are made once.


rule ablation_table:
    input:
        results=expand(
            "results/scores/{benchmark}/{descriptor}.json",
            benchmark=ablation_benchmarks(),
            descriptor=[descriptor for _, descriptor in JUDGED],
        ),
        histories=expand("results/{run}/history.csv", run=VARIANTS.values()),
    output:
        text="results/ablation/table.txt",
        table="results/ablation/table.csv",
        picture=report(
            "results/ablation/plot.png",
            category="Ablation",
            caption="report/ablation.rst",
            labels={"what": "variants of the training"},
        ),
    log:
        "results/logs/ablation_table.log",
    benchmark:
        "results/timings/ablation_table.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(10),
    params:
        benchmarks=[name for name in ablation_benchmarks() for _ in JUDGED],
        names=[name for _ in ablation_benchmarks() for name, _ in JUDGED],
        trained=[name for name, _ in VARIANTS],
        differences={
            name: describe_overrides(overrides) or "as configured"
            for name, overrides in ABLATION["runs"].items()
            if overrides is not None
        },
        note=NOTE,
        code=fingerprint("hndesc.report.ablation"),
    script:
        "../workflow_scripts/ablation_table.py"


rule ablation:
    input:
        rules.ablation_table.output,
