"""Snakemake adapter: figures of a localization dataset."""

from hndesc.runtime.logs import step
from hndesc.visualization.maps import plot_localization

with step(snakemake.log[0], snakemake.threads):
    plot_localization(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.input.matches,
        snakemake.input.map,
        snakemake.input.results,
        snakemake.output.figures,
        snakemake.params.labels,
        pairs=snakemake.input.pairs,
        order=snakemake.params.order,
    )
