"""Snakemake adapter: the Snakemake report of all figures, as one HTML file."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from hndesc.io.files import atomic_path, write_text
from hndesc.runtime.logs import step

# The report is made by a second Snakemake over the same workflow, with the configuration of this run as it stands.
with step(snakemake.log[0]), atomic_path(snakemake.output.report) as report:
    write_text(snakemake.output.config, yaml.safe_dump(snakemake.config, sort_keys=False))
    # A relative path: Snakemake would replace a $NAME in the path of the checkout.
    command = [sys.executable, "-m", "snakemake", "figures", "--nolock", "--report", os.path.relpath(report)]
    snakefile = Path(snakemake.scriptdir).parent / "Snakefile"
    if snakefile.is_file():  # else this is a fetched module, and Snakemake finds the workflow that uses it
        command += ["--snakefile", str(snakefile)]
    command += ["--configfile", snakemake.output.config]
    with open(snakemake.log[0], "a", encoding="utf-8") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
