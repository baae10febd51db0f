"""Snakemake adapter: a sheet of photos, styles and stylised copies."""

from hndesc.logs import step
from hndesc.report.sheets import plot_stylization

with step(snakemake.log[0], snakemake.threads):
    plot_stylization(
        snakemake.input.photos,
        snakemake.input.styles or None,
        snakemake.input.stylized,
        snakemake.output.picture,
        snakemake.input.measures,
    )
