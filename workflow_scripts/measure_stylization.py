"""Snakemake adapter: measure how well stylized copies preserve structure."""

from hndesc.runtime.logs import step
from hndesc.stylization.measures import measure_stylization

with step(snakemake.log[0], snakemake.threads):
    measure_stylization(snakemake.input.photos, snakemake.input.stylized, snakemake.output.measures)
