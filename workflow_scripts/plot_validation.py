"""Snakemake adapter: figures of validation pairs before and after training."""

from hndesc.runtime.logs import step
from hndesc.visualization.training_figures import plot_validation

with step(snakemake.log[0], snakemake.threads):
    plot_validation(snakemake.input.record, snakemake.output.matches, snakemake.output.similarities)
