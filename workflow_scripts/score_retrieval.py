"""Snakemake adapter: re-rank a shortlist and evaluate it."""

from hndesc.runtime.logs import step
from hndesc.runtime.plugins import load_place

with step(snakemake.log[0], snakemake.threads):
    load_place(snakemake.params.score)(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.input.shortlist,
        snakemake.output.text,
        snakemake.output.json,
        counted=snakemake.input.counted,
        threads=snakemake.threads,
        name=snakemake.wildcards.benchmark,
        **snakemake.params.settings,
    )
