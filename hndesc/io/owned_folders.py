"""Folders that steps make: one is replaced or removed only if a step made it, and never if an input would be lost.

A marker in a folder names the step that made it and lists what the step left in it: sizes and samples of files, targets
of links. What was added or changed later belongs to the user.
"""

import json
import logging
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hndesc.errors import HndescError
from hndesc.io.files import check_parent, check_space, named_errors, write_text
from hndesc.io.locks import writing
from hndesc.io.temporaries import is_temporary
from hndesc.runtime.provenance import file_sample

logger = logging.getLogger(__name__)

MARKER = ".made_by_hndesc.json"
# What file managers, network file systems and Snakemake add to a folder.
_ADDED = (MARKER, ".snakemake_timestamp", ".DS_Store", "Thumbs.db", "desktop.ini")
_ADDED_BEGIN = (".nfs", "._")


def check_output_folder(output: str | os.PathLike, step: str, inputs: Iterable[str | os.PathLike | None] = ()) -> Path:
    """Refuse a folder that `step` must not make or replace; to be called before any work.

    Args:
        output: of the step. A link is followed. It may be absent, empty, or a folder that the same step made.
        step: name of the step.
        inputs: files and folders that the step reads, None for none. `output` must not be, contain or lie within any
            of them, also by links.

    Returns:
        The folder without links on its path.
    """
    with named_errors(output):
        target = Path(os.path.realpath(output))
        for source in filter(None, inputs):
            _check_apart(output, target, Path(source))
        check_parent(target)
        if not os.path.lexists(target):
            return target
        if not target.is_dir():
            raise HndescError(f"{output}: not a folder, but {step} writes one there; choose another place")
        _check_made(output, target, step)
    return target


@contextmanager
def replace_folder(
    output: str | os.PathLike, step: str, inputs: Iterable[str | os.PathLike | None] = ()
) -> Iterator[Path]:
    """Yield an empty folder beside `output` that becomes `output` when the block succeeds; arguments as above.

    Another run that writes the same output is refused (`hndesc.io.locks.writing`).
    """
    inputs = list(inputs)
    with writing(check_output_folder(output, step, inputs)):
        part = open_part_folder(output, step, inputs)
        try:
            clear_folder(part)
            yield part
            finish_folder(part, output, step, inputs)
        except Exception:
            check_space(part)
            raise
        finally:
            if part.exists():
                _remove(part)


def open_part_folder(output: str | os.PathLike, step: str, inputs: Iterable[str | os.PathLike | None] = ()) -> Path:
    """Return the folder beside `output` in which it is filled, with what an interrupted run left in it."""
    inputs = list(inputs)
    target = check_output_folder(output, step, inputs)
    part, old = _beside(target)
    check_output_folder(part, step, inputs)
    check_output_folder(old, step, inputs)
    with named_errors(output):
        part.mkdir(parents=True, exist_ok=True)
    _mark(part, {"step": step})
    return part


def clear_folder(part: Path) -> None:
    """Remove everything from a folder of ours but its marker."""
    with named_errors(part):
        for entry in list(os.scandir(part)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif entry.name != MARKER:
                os.unlink(entry.path)


def finish_folder(
    part: Path, output: str | os.PathLike, step: str, inputs: Iterable[str | os.PathLike | None] = ()
) -> None:
    """Put a filled folder of `open_part_folder` in the place of `output`."""
    target = check_output_folder(output, step, inputs)
    _mark(part, {"step": step, "files": {name: _state(part / name) for name in sorted(_files(part))}})
    _, old = _beside(target)
    remove_folder(old, step)  # what an interruption left
    with named_errors(output):
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(part, target)
        except BaseException:
            if old.exists():
                os.replace(old, target)
            raise
    if old.exists():
        _remove(old)


def _beside(target: Path) -> tuple[Path, Path]:
    """Return two hidden folders: the one in which `target` is filled, and the one before while they change places."""
    return target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.old")


def remove_folder(folder: str | os.PathLike, step: str) -> None:
    """Remove a folder that `step` made, if it is there.

    Raises:
        HndescError: the step did not make it, or files in it were added or changed.
    """
    target = check_output_folder(folder, step)
    if target.exists():
        _remove(target)


def read_marker(folder: str | os.PathLike) -> dict | None:
    """Return what the marker of a folder says, None where there is none."""
    path = Path(folder, MARKER)
    try:
        marker = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    sound = isinstance(marker, dict) and isinstance(marker.get("step"), str)
    return marker if sound and isinstance(marker.get("files", {}), dict) else None


def _mark(folder: Path, marker: dict) -> None:
    write_text(folder / MARKER, json.dumps(marker, indent=0) + "\n")


def check_maker(folder: str | os.PathLike, step: str) -> dict:
    """Refuse a folder that `step` did not make; return what its marker says.

    Raises:
        HndescError: one line with the cure.
    """
    marker = read_marker(folder)
    if marker is None:
        raise HndescError(f"{folder}: exists and was not made by {step}; move it away, or delete it if nobody needs it")
    if marker["step"] != step:
        raise HndescError(f"{folder}: exists and was made by {marker['step']}, not by {step}; choose another place")
    return marker


def _check_made(output: str | os.PathLike, target: Path, step: str) -> None:
    """Refuse a folder that `step` did not make, or in which something was added or changed since."""
    if next(_files(target), None) is None and not any(entry.is_dir() for entry in os.scandir(target)):
        return
    marker = check_maker(output, step)
    if "files" not in marker:
        if _is_part(target):
            return
        raise HndescError(f"{output}: {step} did not complete it; move it away, or delete it if nobody needs it")
    files, found, made = marker["files"], sorted(_files(target)), os.stat(target / MARKER).st_mtime_ns
    if added := [name for name in found if name not in files]:
        raise HndescError(f"{output}: files were added since {step} made it ('{added[0]}' first); move them elsewhere")
    if changed := [name for name in found if _is_changed(target / name, files[name], made)]:
        raise HndescError(
            f"{output}: files were changed since {step} made it ('{changed[0]}' first); move them elsewhere, or delete "
            "the folder if nobody needs it"
        )


def _is_part(folder: Path) -> bool:
    """Return whether a folder has the name of one that is being filled, whose files are not listed yet."""
    return folder.name.startswith(".") and folder.name.endswith(".part")


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


def _check_apart(output: str | os.PathLike, target: Path, source: Path) -> None:
    """Refuse an output that is, contains or lies within an input, or that a link in the input leads to."""
    found = Path(os.path.realpath(source))
    if overlap(target, found):
        raise HndescError(f"{output}: overlaps with the input {source}; choose an output apart from it")
    if target.is_dir() and found.is_dir():
        for link in _links(found):
            if overlap(target, Path(os.path.realpath(link))):
                raise HndescError(f"{output}: the input {source} links to it ({link}); choose another output")


def overlap(first: Path, second: Path) -> bool:
    """Tell whether one of two paths without links is the other or lies within it."""
    return first.is_relative_to(second) or second.is_relative_to(first)


def _links(folder: str | os.PathLike) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield entry.path
            elif entry.is_dir(follow_symlinks=False):
                yield from _links(entry.path)


def _files(folder: str | os.PathLike, prefix: str = "") -> Iterator[str]:
    """Yield the relative names of all files and links without what systems add."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{prefix}{entry.name}/")
            elif not _is_added(entry.name):
                yield prefix + entry.name


def _is_added(name: str) -> bool:
    return name in _ADDED or name.startswith(_ADDED_BEGIN) or is_temporary(name)


def _remove(folder: Path) -> None:
    """Remove a folder of ours, its marker last: what a kill leaves of it is still known as ours."""
    try:
        clear_folder(folder)
        (folder / MARKER).unlink(missing_ok=True)
        folder.rmdir()
    except (OSError, HndescError) as error:
        logger.warning("%s: cannot be removed (%s); delete it", folder, error)
