"""Snakemake adapter: convert a published ranking to a shortlist."""

from hndesc.retrieval.published_rankings import import_shortlist
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    import_shortlist(
        snakemake.input.images,
        snakemake.input.ranking,
        snakemake.output.shortlist,
        kind=snakemake.params.kind,
    )
