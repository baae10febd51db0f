"""Snakemake adapter: stylized copies of the training photos."""

from hndesc.runtime.logs import step
from hndesc.stylization.stylize import stylize_photos

with step(snakemake.log[0], snakemake.threads):
    stylize_photos(
        snakemake.input.photos,
        snakemake.input.styles or None,
        snakemake.output.stylized,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
        part=snakemake.params.part,
        **snakemake.params.settings,
    )
