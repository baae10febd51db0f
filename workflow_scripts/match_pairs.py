"""Snakemake adapter: match the listed image pairs of a localization dataset."""

from hndesc.localization.matches import match_pairs
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    match_pairs(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.output.matches,
        pairs=snakemake.input.pairs,
        part=snakemake.params.part,
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
