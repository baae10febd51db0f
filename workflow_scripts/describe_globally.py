"""Snakemake adapter: global descriptors of one shard of a retrieval set."""

from hndesc.retrieval.global_features import describe_globally
from hndesc.runtime.logs import step
from hndesc.workflow.image_selection import select_images

with step(snakemake.log[0], snakemake.threads):
    describe_globally(
        select_images(
            snakemake.input.images,
            distractors=snakemake.input.distractors or None,
            **snakemake.params.photos,
        ),
        snakemake.output.descriptors,
        weights=snakemake.input.weights or None,
        **snakemake.params.settings,
    )
