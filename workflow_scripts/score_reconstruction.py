"""Snakemake adapter: evaluate a reconstruction."""

from hndesc.evaluation.reconstruction.evaluate import score_reconstruction
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    score_reconstruction(
        snakemake.input.images,
        snakemake.input.model,
        snakemake.output.text,
        snakemake.output.json,
        name=snakemake.wildcards.benchmark,
    )
