# The package of this checkout for the rules and their jobs, and the configuration files as it reads them.
import os
import sys

from snakemake.exceptions import WorkflowError

CHECKOUT = os.path.dirname(workflow.current_basedir.get_path_or_uri(secret_free=True))

# Jobs use the package of this checkout, whether it is installed or not; a module from a repository, the installed one.
if os.path.isdir(os.path.join(CHECKOUT, "hndesc")):
    if os.pathsep in CHECKOUT:
        raise WorkflowError(
            f"the checkout lies in '{CHECKOUT}', and Python's search path cannot hold a '{os.pathsep}'; move it"
        )
    sys.path.insert(0, CHECKOUT)
    os.environ.update(
        PYTHONPATH=os.pathsep.join(
            filter(None, [CHECKOUT, os.environ.get("PYTHONPATH")])
        )
    )

from hndesc.errors import HndescError
from hndesc.workflow.config import read_files


def check_config_files(paths):
    """Refuse files that Snakemake cannot decode, or in which it would silently keep the last of repeated keys."""
    try:
        if workflow.is_main_process:
            read_files(path for path in paths if os.path.isfile(path))
    except HndescError as error:
        raise WorkflowError(str(error)) from None


check_config_files([CONFIG])
