"""Snakemake adapter: keypoints of a set of images."""

from hndesc.extraction import detect_keypoints
from hndesc.logs import step
from hndesc.photos import select_photos

with step(snakemake.log[0], snakemake.threads):
    detect_keypoints(
        select_photos(
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
