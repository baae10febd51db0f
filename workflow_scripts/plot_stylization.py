"""Snakemake adapter: figure of photos, styles and stylized copies."""

from hndesc.runtime.logs import step
from hndesc.visualization.stylization_figures import plot_stylization

with step(snakemake.log[0], snakemake.threads):
    plot_stylization(
        snakemake.input.photos,
        snakemake.input.styles or None,
        snakemake.input.stylized,
        snakemake.output.figure,
        snakemake.input.measures,
    )
