"""Snakemake adapter: match the listed pairs of photos."""

from hndesc.io.lists import read_pairs
from hndesc.localization.matches import match_listed
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    match_listed(
        list(read_pairs(snakemake.input.pairs)),
        snakemake.input.features,
        snakemake.output.matches,
        place=snakemake.input.images,
        part=snakemake.params.part,
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
