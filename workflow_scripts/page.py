"""Snakemake adapter: the page of results."""

import yaml

from hndesc.runtime.logs import step
from hndesc.visualization.page import Section, write_page

with step(snakemake.log[0], snakemake.threads):
    write_page(
        snakemake.input.results,
        snakemake.params.benchmarks,
        snakemake.params.descriptors,
        [Section(**section) for section in snakemake.params.sections],
        snakemake.output.page,
        title=snakemake.params.title,
        note=snakemake.params.note,
        settings=yaml.safe_dump(snakemake.config, sort_keys=False),
        links=snakemake.params.links,
    )
