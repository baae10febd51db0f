"""Snakemake adapter: score a re-ranked shortlist."""

from hndesc.benchmarks.revisitop import score_retrieval
from hndesc.logs import step

with step(snakemake.log[0], snakemake.threads):
    score_retrieval(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.input.shortlist,
        snakemake.output.text,
        snakemake.output.json,
        threads=snakemake.threads,
        name=snakemake.wildcards.benchmark,
        **snakemake.params.settings,
    )
