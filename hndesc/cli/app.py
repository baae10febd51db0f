"""The command of `hndesc` that serves a page in the browser."""

import argparse
from pathlib import Path

from hndesc.cli.options import natural
from hndesc.errors import HndescError


def app(host: str, port: int, model: list[Path]) -> None:
    """Serve the page on which two photos are matched."""
    from hndesc.app.server import serve
    from hndesc.models.checkpoint import read_card

    for path in model:
        read_card(path)
    if port > 65535:
        raise HndescError(f"--port {port}: the largest port is 65535")
    serve(host, port, [str(path) for path in model])


def add_app_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("app", help="match two photos on a page in the browser")
    parser.description = (
        "Serve a page on which two photos are matched, at this machine only. The photos are processed in memory and "
        "temporary files of this machine; nothing is sent to any other, and the page needs no network."
    )
    parser.add_argument(
        "--port", metavar="N", type=natural, default=7000, help="port, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any other than %(default)s gives other machines access",
    )
    parser.add_argument(
        "--model", metavar="FILE", type=Path, nargs="+", default=[], help="checkpoints to offer beside bundled models"
    )
    parser.set_defaults(command=app)
