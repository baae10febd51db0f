"""Snakemake adapter: training curves."""

from hndesc.logs import step
from hndesc.report.curves import plot_training

with step(snakemake.log[0], snakemake.threads):
    plot_training(snakemake.input.history, snakemake.output.picture)
