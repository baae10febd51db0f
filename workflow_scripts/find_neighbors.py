"""Snakemake adapter: the table of similar training photos."""

from hndesc.retrieval.ranking import find_neighbors
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    find_neighbors(snakemake.input.photos, snakemake.output.neighbors, **snakemake.params.settings)
