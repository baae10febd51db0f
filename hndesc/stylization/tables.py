"""The tables of a folder of stylized copies: what was made of what, and what could not be read."""

import csv
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hndesc.errors import HndescError
from hndesc.files import write_text

TABLE = "stylized.tsv"
FAILED = "failed.tsv"


class Copy(NamedTuple):
    """A row of stylized.tsv; `group` is its column `class`."""

    photo: str
    copy: str
    style: str
    group: str
    method: str


class Failure(NamedTuple):
    """A row of failed.tsv."""

    photo: str
    reason: str


def write_tables(folder: Path, copies: Iterable[Copy], failures: Iterable[Failure]) -> None:
    """Write both tables into `folder`."""
    _write(folder / TABLE, ("photo", "copy", "style", "class", "method"), copies)
    _write(folder / FAILED, ("photo", "reason"), failures)


def read_tables(folder: Path) -> tuple[list[Copy], list[Failure]]:
    """Read both tables of a folder.

    Raises:
        HndescError: there is none.
    """
    return [Copy(*row) for row in _read(folder / TABLE, 5)], [Failure(*row) for row in _read(folder / FAILED, 2)]


def gather(shards: Sequence[Path], output: Path) -> tuple[list[Copy], list[Failure]]:
    """Bring the copies of several folders into one, as links where the disk allows it; return their tables' rows.

    Raises:
        HndescError: a folder without tables, or two with the same photo.
    """
    owners: dict[str, Path] = {}
    copies, failures = [], []
    for shard in shards:
        done, failed = read_tables(shard)
        for photo in {row.photo for row in [*done, *failed]}:
            if photo in owners:
                raise HndescError(f"'{photo}' is in {owners[photo]} and in {shard}; each photo belongs into one shard")
            owners[photo] = shard
        for row in done:
            _link(shard / row.copy, output / row.copy)
        copies += done
        failures += failed
    # Photos in the order in which one run for all of them lists them; each one's copies keep theirs.
    return sorted(copies, key=lambda row: row.photo), sorted(failures)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, target)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = ("\t".join(str(cell).replace("\t", " ").replace("\n", " ") for cell in row) for row in rows)
    write_text(path, "\n".join(["\t".join(header), *lines]) + "\n")


def _read(path: Path, columns: int) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    except FileNotFoundError:
        raise HndescError(f"{path}: no such file; stylize the photos first") from None
    if any(len(row) != columns for row in rows):
        raise HndescError(f"{path}: not a table of {columns} columns; stylize the photos again")
    return rows
