# Results for users: published text files, tables, curves and figures, and the Snakemake report.


rule publish:
    input:
        text=of_first("<results>/scores/{benchmark}/{descriptor}.txt"),
        json=of_first("<results>/scores/{benchmark}/{descriptor}.json"),
    output:
        text="<results>/{benchmark}.txt",
        json="<results>/{benchmark}.json",
    log:
        "<results>/logs/publish/{benchmark}.log",
    benchmark:
        "<results>/timings/publish/{benchmark}.tsv"
    localrule: True
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(100),
        runtime=more(5),
    message:
        "Copy the scores of the first descriptor on {wildcards.benchmark} to {output.text}"
    shell:
        "(cp {input.text} {output.text} && cp {input.json} {output.json}) 2> {log}"


rule compare:
    input:
        results=[
            f"<results>/scores/{benchmark}/{descriptor}.json"
            for benchmark, descriptor in PLAN.evaluations
        ],
    output:
        html=report(
            "<results>/tables/scores.html",
            category="Scores",
            caption="report/scores.rst",
            labels={"what": "table"},
        ),
        table="<results>/tables/scores.csv",
        summary="<results>/summary.txt",
    log:
        "<results>/logs/compare.log",
    benchmark:
        "<results>/timings/compare.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(10),
    params:
        benchmarks=[benchmark for benchmark, _ in PLAN.evaluations],
        descriptors=[descriptor for _, descriptor in PLAN.evaluations],
        note=PLAN.note,
        code=fingerprint("hndesc.visualization.tables"),
    message:
        "Write the table of all scores"
    script:
        "../workflow_scripts/compare.py"


rule plot_mma:
    input:
        results=scores,
    output:
        figure=report(
            "<results>/figures/{benchmark}_mma.png",
            category="Scores",
            caption="report/mma.rst",
            labels={"what": "{benchmark}: matching accuracy"},
        ),
    log:
        "<results>/logs/plot_mma/{benchmark}.log",
    benchmark:
        "<results>/timings/plot_mma/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("hpatches")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(10),
    params:
        labels=evaluated,
        order=PLAN.descriptors.names,
        code=fingerprint("hndesc.visualization.curves"),
    message:
        "Plot the matching accuracy on {wildcards.benchmark}"
    script:
        "../workflow_scripts/plot_mma.py"


rule plot_matches:
    input:
        images=images_folder,
        features=lambda wildcards: [
            f"<results>/features/{wildcards.benchmark}/{descriptor}.h5"
            for descriptor in evaluated(wildcards)
        ],
    output:
        figures=report(
            directory("<results>/figures/{benchmark}_matches"),
            patterns=["{pair}.jpg"],
            category="Matches",
            caption="report/matches.rst",
            labels={"what": "{pair}"},
        ),
    log:
        "<results>/logs/plot_matches/{benchmark}.log",
    benchmark:
        "<results>/timings/plot_matches/{benchmark}.tsv"
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("hpatches")),
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(30),
    params:
        labels=evaluated,
        layout=lambda wildcards: PLAN.images.layout(wildcards.benchmark),
        content=content(images_folder),
        code=fingerprint("hndesc.visualization.sequence_figures"),
    message:
        "Draw matches of {wildcards.benchmark}"
    script:
        "../workflow_scripts/plot_matches.py"


rule plot_training:
    input:
        history="<results>/training/history.csv",
    output:
        figure=report(
            "<results>/figures/training.png",
            category="Training",
            caption="report/training.rst",
            labels={"what": "training curves"},
        ),
    log:
        "<results>/logs/plot_training.log",
    benchmark:
        "<results>/timings/plot_training.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(10),
    params:
        code=fingerprint("hndesc.visualization.curves"),
    message:
        "Plot the training curves"
    script:
        "../workflow_scripts/plot_training.py"


rule plot_validation:
    input:
        record="<results>/training/validation.npz",
    output:
        matches=report(
            "<results>/figures/training_matches.png",
            category="Training",
            caption="report/validation.rst",
            labels={"what": "matches before and after"},
        ),
        similarities=report(
            "<results>/figures/training_similarities.png",
            category="Training",
            caption="report/validation.rst",
            labels={"what": "similarities before and after"},
        ),
    log:
        "<results>/logs/plot_validation.log",
    benchmark:
        "<results>/timings/plot_validation.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(10),
    params:
        code=fingerprint("hndesc.visualization.training_figures"),
    message:
        "Draw the validation of the training"
    script:
        "../workflow_scripts/plot_validation.py"


rule plot_stylization:
    input:
        photos=PLAN.images.photos,
        styles=lambda wildcards: PLAN.runs.styles(PLAN.runs.configured_stylization),
        stylized=f"<shared>/stylized/{PLAN.runs.configured_stylization}",
        measures=f"<results>/tables/stylization/{PLAN.runs.configured_stylization}.json",
    output:
        figure=report(
            "<results>/figures/stylization.png",
            category="Training",
            caption="report/stylization.rst",
            labels={"what": "stylized photographs"},
        ),
    log:
        "<results>/logs/plot_stylization.log",
    benchmark:
        "<results>/timings/plot_stylization.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(10),
    params:
        content=content(
            lambda wildcards: PLAN.runs.styles(PLAN.runs.configured_stylization)
        ),
        code=fingerprint("hndesc.visualization.stylization_figures"),
    message:
        "Draw examples of stylized photos"
    script:
        "../workflow_scripts/plot_stylization.py"


rule page:
    input:
        results=rules.compare.input.results,
        figures=PLAN.figures,
    output:
        page="<results>/index.html",
    log:
        "<results>/logs/page.log",
    benchmark:
        "<results>/timings/page.tsv"
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(10),
    params:
        benchmarks=rules.compare.params.benchmarks,
        descriptors=rules.compare.params.descriptors,
        sections=PLAN.sections,
        title=PLAN.title,
        note=PLAN.note,
        links={"Snakemake's report": f"{PLAN.places.results}/report.html"},
        code=PLAN.page_code,
    message:
        "Write the page of results {output.page}"
    script:
        "../workflow_scripts/page.py"


rule figures:
    input:
        PLAN.figures,
    message:
        "All figures are made"


rule report:
    input:
        PLAN.figures,
    output:
        report="<results>/report.html",
        config="<results>/config.yaml",
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/timings/report.tsv"
    localrule: True
    conda:
        "../envs/hndesc.yaml"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(10),
    message:
        "Write Snakemake's report {output.report}"
    script:
        "../workflow_scripts/report.py"
