"""Snakemake adapter: the pairs of photos to match for a reconstruction."""

from hndesc.datasets.photo_sets import photo_images
from hndesc.reconstruction.pairs import pair_photos
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    pair_photos(
        photo_images(snakemake.input.images),
        snakemake.output.pairs,
        descriptor=snakemake.params.descriptor,
        **snakemake.params.settings,
    )
