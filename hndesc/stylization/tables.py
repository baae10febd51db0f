"""The tables of a folder of stylized copies: the copies with their origin, and the unreadable photos."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hndesc.errors import HndescError
from hndesc.io.lists import check_below, one_line, read_table, write_table

TABLE = "stylized.tsv"
FAILED = "failed.tsv"
_COPIES = ("photo", "copy", "style", "class", "method")
_FAILURES = ("photo", "reason")
_CURE = "stylize the photos again"


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
    write_table(folder / TABLE, _COPIES, copies)
    write_table(folder / FAILED, _FAILURES, ((failure.photo, one_line(failure.reason)) for failure in failures))


def read_tables(folder: Path) -> tuple[list[Copy], list[Failure]]:
    """Read both tables of a folder.

    Raises:
        HndescError: a table is missing or invalid.
    """
    return read_copies(folder), [Failure(*row) for row in read_table(folder / FAILED, _FAILURES, _CURE)]


def read_copies(folder: Path) -> list[Copy]:
    """Read the table of copies; raise a HndescError if it is missing, invalid or refers to other folders."""
    copies = [Copy(*row) for row in read_table(folder / TABLE, _COPIES, _CURE)]
    seen: set[str] = set()
    for row in copies:
        check_below(row.photo, f"{folder / TABLE}: photo")
        check_below(row.copy, f"{folder / TABLE}: copy")
        if row.copy in seen:
            raise HndescError(f"{folder / TABLE}: lists the copy '{row.copy}' twice; {_CURE}")
        seen.add(row.copy)
    return copies


def gather(shards: Sequence[Path], output: Path) -> tuple[list[Copy], list[Failure]]:
    """Merge the copies of several folders into one, by hard links if possible; return the rows of the merged tables.

    Raises:
        HndescError: a folder has no tables, or two folders contain the same photo.
    """
    owners: dict[str, Path] = {}
    copies, failures = [], []
    for shard in shards:
        done, failed = read_tables(shard)
        for photo in {row.photo for row in done} | {row.photo for row in failed}:
            if photo in owners:
                raise HndescError(f"'{photo}' is in {owners[photo]} and in {shard}; each photo belongs in one shard")
            owners[photo] = shard
        for row in done:
            _link(shard / row.copy, output / row.copy)
        copies += done
        failures += failed
    # The order of a single run: sorted by photo, and the copies of each photo in their order.
    return sorted(copies, key=lambda row: row.photo), sorted(failures)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a different file system, or one without hard links
        shutil.copyfile(source, target)
