# What `snakemake` finds here: the workflow, whose index is workflow/Snakefile.
include: "workflow/Snakefile"


# An included file sets no default target.
workflow.default_target = "all"
