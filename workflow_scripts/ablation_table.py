"""Snakemake adapter: table and plot of an ablation."""

from hndesc.runtime.logs import step
from hndesc.visualization.ablation import write_ablation

with step(snakemake.log[0], snakemake.threads):
    write_ablation(
        snakemake.input.results,
        snakemake.params.benchmarks,
        snakemake.params.names,
        histories=list(zip(snakemake.params.trained, snakemake.input.histories, strict=True)),
        differences=snakemake.params.differences,
        text=snakemake.output.text,
        table=snakemake.output.table,
        plot=snakemake.output.figure,
        note=snakemake.params.note,
    )
