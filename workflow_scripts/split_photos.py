"""Snakemake adapter: split photos into training and held-out photos."""

from hndesc.datasets.splits import split_photos
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    split_photos(snakemake.input.photos, snakemake.params.output, **snakemake.params.settings)
