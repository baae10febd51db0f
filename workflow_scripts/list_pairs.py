"""Snakemake adapter: the image pairs of a localization dataset, listed or computed."""

from hndesc.localization.pairs import list_pairs
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    list_pairs(
        snakemake.input.images,
        snakemake.output.pairs,
        lists=snakemake.input.lists,
        descriptor=snakemake.params.descriptor,
        **snakemake.params.settings,
    )
