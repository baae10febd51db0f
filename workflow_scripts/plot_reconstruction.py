"""Snakemake adapter: figures of a reconstruction."""

from hndesc.runtime.logs import step
from hndesc.visualization.reconstructions import plot_models

with step(snakemake.log[0], snakemake.threads):
    plot_models(snakemake.input.model, snakemake.output.figures)
