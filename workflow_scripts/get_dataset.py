"""Snakemake adapter: a registered dataset or file of weights."""

from hndesc.datasets.arrival import get_dataset
from hndesc.logs import step

with step(snakemake.log[0], snakemake.threads):
    get_dataset(snakemake.wildcards.dataset, **snakemake.params.settings)
