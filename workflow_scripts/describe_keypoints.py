"""Snakemake adapter: descriptors at keypoints, by a trained network or a hand-made descriptor."""

from hndesc.extraction import describe_keypoints
from hndesc.logs import step
from hndesc.photos import list_photos

with step(snakemake.log[0], snakemake.threads):
    describe_keypoints(
        list_photos(snakemake.input.images, snakemake.params.kind),
        snakemake.input.keypoints,
        snakemake.output.features,
        snakemake.input.model or snakemake.wildcards.descriptor,
    )
