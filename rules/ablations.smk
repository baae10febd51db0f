# The ablation: every variant is trained and judged alike, on keypoints and stylised photos that are made once.


def ablation_benchmarks():
    """Names of the benchmarks that judge the variants."""
    known = [name for name, entry in BENCHMARKS.items() if entry["kind"] == "hpatches"]
    chosen = ABLATION.get("benchmarks", known)
    if unknown := [name for name in chosen if name not in known]:
        raise WorkflowError(
            f"config key ablation.benchmarks: no benchmark of the kind hpatches is called '{unknown[0]}'"
        )
    return chosen


def judged():
    """What is judged, a line of the table each: (its name there, descriptor)."""
    references = [(name, name) for name in ABLATION.get("references", [])]
    return references + [
        (name, variant_descriptor(name, seed)) for name, seed in VARIANTS
    ]


def describe_overrides(overrides, prefix=""):
    """Return what a run changes as text: loss.negatives = in_pair."""
    pieces = []
    for key, value in overrides.items():
        if isinstance(value, dict):
            pieces.append(describe_overrides(value, f"{prefix}{key}."))
        else:
            pieces.append(f"{prefix}{key} = {value}")
    return ", ".join(pieces).replace("training.", "")


JUDGED = judged()


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
