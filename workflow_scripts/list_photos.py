"""Snakemake adapter: the training photos that can be used."""

from hndesc.datasets.own_photos import list_own_photos
from hndesc.logs import step

with step(snakemake.log[0], snakemake.threads):
    list_own_photos(snakemake.input.photos, snakemake.output.photos, threads=snakemake.threads)
