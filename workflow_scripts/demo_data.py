"""Snakemake adapter: create the demo data."""

from pathlib import Path

from hndesc.datasets.demo import make_demo
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    make_demo(Path(snakemake.output.photos).parent, threads=snakemake.threads)
