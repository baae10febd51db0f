"""Snakemake adapter: the training photos that look most like each."""

from hndesc.retrieval.ranking import find_neighbours
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    find_neighbours(snakemake.input.photos, snakemake.output.neighbours, **snakemake.params.settings)
