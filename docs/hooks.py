"""Pages that mkdocs makes when it builds the site: the front page, what lies beside it, and the command line."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from hndesc.cli.main import build_parser
from hndesc.datasets.free_photos import credits

ROOT = Path(__file__).resolve().parents[1]
# Pages of the repository's root, by their place on the site.
ROOT_PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
COMMANDS = "reference/cli.md"
PHOTOS = "free_photos.md"
_HEAD = """# Command line

Made from the program's own help (`hndesc COMMAND --help`).
"""
_PHOTOS_HEAD = """# Photographs under free licenses

What `hndesc free-photos` gathers from Debian's packages, Python's and the dataset `free-wallpapers`, with authors and
licenses as the packages and repositories state them. `*` stands for several photographs of one author.
[`hndesc-fast`](models/hndesc-fast.md), [`hndesc-tiny`](models/hndesc-tiny.md) and
[`hndesc-r2d2-free`](models/hndesc-r2d2-free.md) were trained on a part of them.
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for place, name in ROOT_PAGES.items():
        files.append(File.generated(config, place, content=root_page(ROOT / name)))
    files.append(File.generated(config, COMMANDS, content=command_page()))
    files.append(File.generated(config, PHOTOS, content=photo_page()))
    return files


def root_page(path: Path) -> str:
    """Return a page of the repository's root with its links as they are on the site; other files are only named."""
    text = path.read_text(encoding="utf-8").replace("](docs/", "](")
    for place, name in ROOT_PAGES.items():
        text = text.replace(f"]({name}", f"]({place}")
    return re.sub(r"\[[^\]]+\]\((notebooks/[^)]+)\)", r"`\1`", text)


def command_page() -> str:
    """Return the reference of all commands."""
    return "\n".join([_HEAD, *_commands(build_parser(), "", 2)])


def photo_page() -> str:
    """Return the list of the photographs under free licenses."""
    rows = [f"| {package} | `{photo}` | {author} | {license} |" for package, photo, author, license in credits()]
    return "\n".join([_PHOTOS_HEAD, "| package | photo | author | license |", "|---|---|---|---|", *rows, ""])


def _commands(parser: argparse.ArgumentParser, summary: str, level: int) -> Iterator[str]:
    usage = re.sub(r"\s+", " ", parser.format_usage()).removeprefix("usage: ").strip()
    yield f"{'#' * level} {parser.prog}\n\n{_sentence(summary or parser.description or '')}\n"
    if summary and parser.description and parser.description != summary:
        yield f"{parser.description}\n"
    yield f"```text\n{usage}\n```\n"
    yield from _arguments(parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                yield from _commands(child, summaries.get(name, ""), level + 1)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    formatter = parser._get_formatter()
    rows = [
        f"| `{_name(action)}` | {_cell(formatter._expand_help(action) if action.help else '')} |"
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        and action.help is not argparse.SUPPRESS
    ]
    if rows:
        yield "\n".join(["| argument | |", "|---|---|", *rows, ""])


def _name(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    return " ".join(filter(None, [", ".join(action.option_strings), value]))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") or not text else ".")
