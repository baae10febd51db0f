"""Snakemake adapter: a retrieval set from folders of places."""

from hndesc.datasets.places import make_places
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    make_places(snakemake.input.photos, snakemake.output.places)
