"""Snakemake adapter: stylised copies of several jobs in one folder."""

from hndesc.logs import step
from hndesc.stylization.step import gather_stylized

with step(snakemake.log[0], snakemake.threads):
    gather_stylized(snakemake.input.shards, snakemake.output.stylized)
