"""The command `hndesc`, a thin layer over the step functions of the package."""

import argparse
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence

from hndesc import __version__
from hndesc.cli.app import add_app_command
from hndesc.cli.bench import add_bench_command
from hndesc.cli.data import add_data_commands
from hndesc.cli.exports import add_export_commands
from hndesc.cli.features import add_feature_command
from hndesc.cli.localization import add_localization_commands
from hndesc.cli.matching import add_matching_commands
from hndesc.cli.models import add_model_commands
from hndesc.cli.pairs import add_pair_commands
from hndesc.cli.reconstruction import add_reconstruction_command
from hndesc.cli.scoring import add_scoring_commands
from hndesc.cli.training import add_training_commands
from hndesc.errors import HndescError, MissingWeightsError
from hndesc.runtime.logs import step

_INTERRUPTED = 128 + signal.SIGINT  # as shells report it


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `hndesc`; invalid input ends it with one line on stderr and exit status 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # prints the name of any file
    options = vars(build_parser().parse_args(arguments))
    command = options.pop("command")
    with step():
        try:
            command(**options)
            sys.stdout.flush()
        except MissingWeightsError as error:
            takes = "detector_weights" in options
            solution = "; give the file by --weights, that of a detector by --detector-weights" if takes else ""
            raise HndescError(f"{error.args[0]}{solution}") from None
        except BrokenPipeError:  # as in `hndesc datasets | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except KeyboardInterrupt:
            logging.getLogger("hndesc").error("interrupted; long commands resume when they are run again")
            sys.exit(_INTERRUPTED)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; the reference page is made from it, too."""
    parser = argparse.ArgumentParser(
        prog="hndesc", description="Local image descriptors: extraction, matching, 3-D jobs, evaluation and figures."
    )
    parser.add_argument("--version", action="version", version=f"hndesc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_matching_commands(commands)
    add_app_command(commands)
    add_reconstruction_command(commands)
    add_localization_commands(commands)
    add_feature_command(commands)
    add_pair_commands(commands)
    add_scoring_commands(commands)
    add_training_commands(commands)
    add_model_commands(commands)
    add_export_commands(commands)
    add_bench_command(commands)
    add_data_commands(commands)
    return parser
