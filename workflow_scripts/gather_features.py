"""Snakemake adapter: merge the feature files of all shards."""

from hndesc.io.features import merge
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    merge(snakemake.input.shards, snakemake.output.features)
