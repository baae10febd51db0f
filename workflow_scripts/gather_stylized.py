"""Snakemake adapter: merge the stylized copies of all shards."""

from hndesc.runtime.logs import step
from hndesc.stylization.stylize import gather_stylized

with step(snakemake.log[0], snakemake.threads):
    gather_stylized(snakemake.input.shards, snakemake.output.stylized)
