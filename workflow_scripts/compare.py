"""Snakemake adapter: tables of all scores."""

from hndesc.runtime.logs import step
from hndesc.visualization.tables import write_tables

with step(snakemake.log[0], snakemake.threads):
    write_tables(
        snakemake.input.results,
        snakemake.params.benchmarks,
        snakemake.params.descriptors,
        html=snakemake.output.html,
        table=snakemake.output.table,
        summary=snakemake.output.summary,
        note=snakemake.params.note,
    )
