"""Snakemake adapter: merge the match files of all shards."""

from hndesc.localization.matches import gather_matches
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    gather_matches(snakemake.input.shards, snakemake.output.matches)
