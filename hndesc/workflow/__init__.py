"""Planning: what the configuration says and what each rule needs, as plain functions that know nothing of Snakemake."""
