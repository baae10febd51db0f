"""Snakemake adapter: a retrieval set from folders of places."""

from hndesc.datasets.place_folders import make_places
from hndesc.logs import step

with step(snakemake.log[0], snakemake.threads):
    make_places(snakemake.input.photos, snakemake.output.places)
