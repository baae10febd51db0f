"""Snakemake adapter: keypoints of a set of images."""

from hndesc.extraction.detection import detect_keypoints
from hndesc.runtime.logs import step
from hndesc.workflow.image_selection import select_images

with step(snakemake.log[0], snakemake.threads):
    detect_keypoints(
        select_images(
            snakemake.input.images,
            distractors=snakemake.input.distractors or None,
            shortlist=snakemake.input.shortlist or None,
            **snakemake.params.photos,
        ),
        snakemake.output.keypoints,
        snakemake.params.detector,
        weights=snakemake.input.weights or None,
        **snakemake.params.settings,
    )
