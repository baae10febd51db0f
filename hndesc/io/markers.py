"""Markers in the folders that steps make: the step that made a folder, and the files that it wrote.

A marker lists size and sample of each file and the target of each link. Files that were added or changed later belong
to the user.
"""

import json
import os
import stat
from collections.abc import Container, Iterator
from pathlib import Path

from hndesc.errors import HndescError
from hndesc.io.files import write_text
from hndesc.io.temporaries import is_temporary
from hndesc.runtime.provenance import file_sample

MARKER = ".made_by_hndesc.json"
# What file managers, network file systems and Snakemake add to a folder.
_ADDED = (MARKER, ".snakemake_timestamp", ".DS_Store", "Thumbs.db", "desktop.ini")
_ADDED_BEGIN = (".nfs", "._")


def read_marker(folder: str | os.PathLike[str]) -> dict | None:
    """Return the content of a folder's marker, or None."""
    path = Path(folder, MARKER)
    try:
        marker = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(marker, dict) or not isinstance(marker.get("step"), str):
        return None
    return marker if isinstance(marker.get("files", {}), dict) else None


def write_marker(folder: Path, step: str, complete: bool) -> None:
    """Mark a folder as made by a step; the marker of a complete folder lists its files."""
    files = {name: _state(folder / name) for name in sorted(list_files(folder))} if complete else None
    marker = {"step": step} if files is None else {"step": step, "files": files}
    write_text(folder / MARKER, json.dumps(marker, indent=0) + "\n")


def check_maker(folder: str | os.PathLike[str], step: str) -> dict:
    """Refuse a folder that `step` did not make; return the content of its marker.

    Raises:
        HndescError: one line with the cure.
    """
    marker = read_marker(folder)
    if marker is None:
        raise HndescError(
            f"{folder}: exists and was not made by {step}; move it away, or delete it if it is not needed"
        )
    if marker["step"] != step:
        raise HndescError(f"{folder}: exists and was made by {marker['step']}, not by {step}; choose another place")
    return marker


def check_unchanged(output: str | os.PathLike, target: Path, step: str) -> None:
    """Refuse a folder that `step` did not make, or in which something was added or changed since; not an empty one.

    Args:
        output: the folder as it was named, for messages.
        target: the folder.
        step: name of the step.

    Raises:
        HndescError: one line with the cure.
    """
    if next(list_files(target), None) is None and not any(entry.is_dir() for entry in os.scandir(target)):
        return
    marker = check_maker(output, step)
    if "files" not in marker:
        if _is_part(target):
            return
        raise HndescError(f"{output}: {step} did not complete it; move it away, or delete it if it is not needed")
    files, found, made = marker["files"], sorted(list_files(target)), os.stat(target / MARKER).st_mtime_ns
    if added := [name for name in found if name not in files and not _is_journal(name, files)]:
        raise HndescError(f"{output}: files were added since {step} made it ('{added[0]}' first); move them elsewhere")
    if changed := [name for name in found if name in files and _is_changed(target / name, files[name], made)]:
        raise HndescError(
            f"{output}: files were changed since {step} made it ('{changed[0]}' first); move them elsewhere, or delete "
            "the folder if it is not needed"
        )


def _is_part(folder: Path) -> bool:
    """Return whether a folder has the name of an incomplete one, whose files are not listed yet."""
    return folder.name.startswith(".") and folder.name.endswith(".part")


def _is_journal(name: str, files: Container[str]) -> bool:
    """Return whether a file is the journal that a killed program leaves beside an SQLite database among `files`."""
    database, _, kind = name.rpartition("-")
    return database in files and kind in ("wal", "shm", "journal")


def _is_changed(path: Path, listed: object, made: int) -> bool:
    """Return whether a file or link differs from what is listed, or was written after its marker (nanoseconds)."""
    status = os.lstat(path)
    return status.st_ctime_ns >= made and (status.st_mtime_ns > made or _state(path) != listed)


def _state(path: Path) -> str | list[int | str]:
    """Return the target of a link; size and `file_sample` of a file."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    return [status.st_size, file_sample(path, status.st_size) if stat.S_ISREG(status.st_mode) else ""]


def list_files(folder: str | os.PathLike[str], prefix: str = "") -> Iterator[str]:
    """Yield the relative names of all files and links except temporary ones and those that systems add."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not is_temporary(entry.name):
                    yield from list_files(entry.path, f"{prefix}{entry.name}/")
            elif not _is_added(entry.name):
                yield prefix + entry.name


def _is_added(name: str) -> bool:
    return name in _ADDED or name.startswith(_ADDED_BEGIN) or is_temporary(name)
