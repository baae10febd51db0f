"""Snakemake adapter: evaluate features on homography sequences."""

from hndesc.evaluation.hpatches.evaluate import score_hpatches
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    score_hpatches(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.output.text,
        snakemake.output.json,
        snakemake.output.table,
        snakemake.output.sequences,
        threads=snakemake.threads,
        name=snakemake.wildcards.benchmark,
        **snakemake.params.settings,
    )
