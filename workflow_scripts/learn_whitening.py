"""Snakemake adapter: learn the whitening of a global descriptor on the training photos."""

from hndesc.retrieval.ranking import learn_whitening
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    learn_whitening(
        snakemake.input.photos,
        snakemake.output.whitening,
        weights=snakemake.input.weights or None,
        dimensions=snakemake.params.dimensions,
        **snakemake.params.settings,
    )
