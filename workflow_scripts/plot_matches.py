"""Snakemake adapter: match figures of a homography benchmark."""

from hndesc.runtime.logs import step
from hndesc.visualization.sequence_figures import plot_sequences

with step(snakemake.log[0], snakemake.threads):
    plot_sequences(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.output.figures,
        snakemake.params.labels,
        layout=snakemake.params.layout,
    )
