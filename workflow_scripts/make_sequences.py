"""Snakemake adapter: synthetic homography sequences of held-out photos."""

from hndesc.datasets.synthetic_sequences import make_sequences
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    make_sequences(snakemake.input.photos, snakemake.output.sequences, **snakemake.params.settings)
