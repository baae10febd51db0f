"""Snakemake adapter: score a re-ranked shortlist."""

from hndesc.benchmarks.revisitop import score_retrieval
from hndesc.benchmarks.tokyo247 import score_tokyo247
from hndesc.logs import step

SCORES = {"retrieval": score_retrieval, "tokyo247": score_tokyo247}
with step(snakemake.log[0], snakemake.threads):
    SCORES[snakemake.params.kind](
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
