"""Snakemake adapter: triangulate the map of a localization dataset."""

from hndesc.localization.mapping import build_map
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    build_map(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.input.matches,
        snakemake.output.map,
        pairs=snakemake.input.pairs,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
