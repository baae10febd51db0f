"""Snakemake adapter: inlier counts of one shard of the queries of a retrieval set."""

from hndesc.retrieval.reranking import count_shortlist
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    count_shortlist(
        snakemake.input.features,
        snakemake.input.shortlist,
        snakemake.output.inliers,
        part=snakemake.wildcards.part,
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
