"""Snakemake adapter: the model from above, inlier matches of queries and errors of a localization dataset."""

from hndesc.logs import step
from hndesc.report.localization import plot_localization

with step(snakemake.log[0], snakemake.threads):
    plot_localization(
        snakemake.input.images,
        snakemake.input.features,
        snakemake.input.matches,
        snakemake.input.map,
        snakemake.input.results,
        snakemake.output.pictures,
        snakemake.params.labels,
        pairs=snakemake.input.pairs,
    )
