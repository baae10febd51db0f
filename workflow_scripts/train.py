"""Snakemake adapter: train a model."""

from hndesc.logs import step
from hndesc.training.step import train

with step(snakemake.log[0], snakemake.threads):
    train(
        snakemake.input.photos,
        snakemake.input.keypoints,
        snakemake.input.stylized or None,
        snakemake.input.neighbours or None,
        output=snakemake.output.model,
        initial=snakemake.output.initial,
        history=snakemake.output.history,
        record=snakemake.output.record,
        state=snakemake.params.state,
        seed=snakemake.params.seed,
        **snakemake.params.settings,
    )
