"""Snakemake adapter: training curves."""

from hndesc.runtime.logs import step
from hndesc.visualization.curves import plot_training

with step(snakemake.log[0], snakemake.threads):
    plot_training(snakemake.input.history, snakemake.output.figure)
