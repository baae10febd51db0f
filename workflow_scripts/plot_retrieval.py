"""Snakemake adapter: queries and their first images before and after re-ranking."""

from hndesc.runtime.logs import step
from hndesc.visualization.retrieval_figures import plot_retrieval

with step(snakemake.log[0], snakemake.threads):
    plot_retrieval(
        snakemake.input.images,
        snakemake.input.result,
        snakemake.output.figure,
        kind=snakemake.params.kind,
        label=snakemake.params.label,
        distractors=snakemake.input.distractors or None,
    )
