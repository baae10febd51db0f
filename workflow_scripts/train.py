"""Snakemake adapter: train a model."""

from hndesc.runtime.logs import step
from hndesc.training.launch import train_distributed

with step(snakemake.log[0], snakemake.threads, yields=False):
    train_distributed(
        snakemake.resources.get("processes") or snakemake.resources.get("gpu") or 1,
        snakemake.log[0],
        snakemake.threads,
        photos=snakemake.input.photos,
        keypoints=snakemake.input.keypoints,
        stylized=snakemake.input.stylized or None,
        neighbors=snakemake.input.neighbors or None,
        output=snakemake.output.model,
        initial=snakemake.output.initial,
        history=snakemake.output.history,
        record=snakemake.output.record,
        state=snakemake.params.state,
        seed=snakemake.params.seed,
        **snakemake.params.settings,
    )
