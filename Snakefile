# The index of the workflow. The rules are in rules/, one topic per file.
import os

from snakemake.utils import min_version

min_version("9.0")


configfile: os.path.join(workflow.basedir, "config.yaml")


report: "rules/report/workflow.rst"


include: "rules/common.smk"
include: "rules/outputs.smk"
include: "rules/resources.smk"
include: "rules/datasets.smk"
include: "rules/split.smk"
include: "rules/keypoints.smk"
include: "rules/stylization.smk"
include: "rules/neighbors.smk"
include: "rules/training.smk"
include: "rules/features.smk"
include: "rules/hpatches.smk"
include: "rules/retrieval.smk"
include: "rules/localization.smk"
include: "rules/ablations.smk"
include: "rules/report.smk"


if workflow.is_main_process:
    check_config_paths()


rule all:
    default_target: True
    input:
        expand(
            "<results>/{benchmark}.{suffix}",
            benchmark=BENCHMARKS,
            suffix=["txt", "json"],
        ),
        PLAN.figures,
        "<results>/report.html",
