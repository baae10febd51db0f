"""Snakemake adapter: keypoints of a set of images."""

from hndesc.extraction import detect_keypoints
from hndesc.logs import step
from hndesc.photos import list_photos

with step(snakemake.log[0], snakemake.threads):
    detect_keypoints(
        list_photos(snakemake.input.images, snakemake.params.kind),
        snakemake.output.keypoints,
        snakemake.params.detector,
        weights=snakemake.input.weights or None,
        **snakemake.params.settings,
    )
