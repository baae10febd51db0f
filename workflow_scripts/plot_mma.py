"""Snakemake adapter: curves of the mean matching accuracy."""

from hndesc.runtime.logs import step
from hndesc.visualization.curves import plot_mma

with step(snakemake.log[0], snakemake.threads):
    plot_mma(snakemake.input.results, snakemake.output.figure, snakemake.params.labels, order=snakemake.params.order)
