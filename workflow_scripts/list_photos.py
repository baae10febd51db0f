"""Snakemake adapter: list the usable training photos."""

from hndesc.datasets.image_list import list_own_photos
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    list_own_photos(snakemake.input.photos, snakemake.output.photos, threads=snakemake.threads)
