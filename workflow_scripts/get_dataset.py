"""Snakemake adapter: download a registered dataset or weights file."""

from hndesc.datasets.fetch.install import get_dataset
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    get_dataset(snakemake.wildcards.dataset, **snakemake.params.settings)
