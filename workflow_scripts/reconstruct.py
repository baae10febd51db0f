"""Snakemake adapter: reconstruct a scene from matched photos."""

from hndesc.datasets.photo_sets import photo_folder, photo_images
from hndesc.reconstruction.build import build_reconstruction
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    build_reconstruction(
        photo_images(snakemake.input.images),
        photo_folder(snakemake.input.images),
        snakemake.input.features,
        snakemake.input.matches,
        snakemake.input.pairs,
        snakemake.output.model,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
