"""Snakemake adapter: image sequences at the one size that a protocol wants."""

from hndesc.benchmarks.resized_sequences import resize_sequences
from hndesc.logs import step

with step(snakemake.log[0], snakemake.threads):
    resize_sequences(
        snakemake.input.images,
        snakemake.output.sequences,
        layout=snakemake.params.layout,
        threads=snakemake.threads,
    )
