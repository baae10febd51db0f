"""Snakemake adapter: rank the database of a retrieval set by a global descriptor."""

from hndesc.retrieval.ranking import make_shortlist
from hndesc.runtime.logs import step

with step(snakemake.log[0], snakemake.threads):
    make_shortlist(
        snakemake.input.images,
        snakemake.output.shortlist,
        kind=snakemake.params.kind,
        weights=snakemake.input.weights or None,
        learned=snakemake.input.whitening or None,
        distractors=snakemake.input.distractors or None,
        described=snakemake.input.described or (),
        **snakemake.params.settings,
    )
