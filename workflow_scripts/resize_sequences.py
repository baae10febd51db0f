"""Snakemake adapter: resize image sequences to the size required by a protocol."""

from hndesc.datasets.homography.resizing import resize_sequences
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    resize_sequences(
        snakemake.input.images,
        snakemake.output.sequences,
        layout=snakemake.params.layout,
        threads=snakemake.threads,
    )
