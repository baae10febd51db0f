"""Snakemake adapter: descriptors at keypoints."""

from hndesc.extraction.description import describe_keypoints
from hndesc.runtime.logs import step
from hndesc.workflow.image_selection import select_images

with step(snakemake.log[0], snakemake.threads):
    describe_keypoints(
        select_images(
            snakemake.input.images,
            distractors=snakemake.input.distractors or None,
            shortlist=snakemake.input.shortlist or None,
            **snakemake.params.photos,
        ),
        snakemake.input.keypoints,
        snakemake.output.features,
        snakemake.input.model or snakemake.params.descriptor,
        weights=snakemake.input.weights or None,
        precision=snakemake.params.precision,
        views=snakemake.params.views,
        **snakemake.params.settings,
    )
