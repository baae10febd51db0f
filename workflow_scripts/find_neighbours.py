"""Snakemake adapter: the training photos that look most like each."""

from hndesc.logs import step
from hndesc.neighbours import find_neighbours

with step(snakemake.log[0], snakemake.threads):
    find_neighbours(snakemake.input.photos, snakemake.output.neighbours, **snakemake.params.settings)
