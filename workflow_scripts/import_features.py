"""Snakemake adapter: import features of other programs."""

from hndesc.io.features import import_features
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    import_features(snakemake.input.features, snakemake.output.features)
