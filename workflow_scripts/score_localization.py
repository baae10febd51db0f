"""Snakemake adapter: localize the queries of a dataset and evaluate them."""

from hndesc.evaluation.localization.evaluate import localize_queries
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    localize_queries(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.input.matches,
        snakemake.input.map,
        snakemake.output.text,
        snakemake.output.json,
        pairs=snakemake.input.pairs,
        name=snakemake.wildcards.benchmark,
        seed=snakemake.params.seed,
        **snakemake.params.settings,
    )
