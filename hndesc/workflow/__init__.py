"""Planning: what the configuration says and what each rule needs, as functions independent of Snakemake."""
