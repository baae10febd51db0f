"""Folders that steps make: one is replaced or removed only if a step made it, and never if an input would be lost.

A marker in it tells (`hndesc.io.markers`); what was added or changed later belongs to the user.
"""

import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hndesc.errors import HndescError
from hndesc.io.files import check_parent, check_space, named_errors
from hndesc.io.locks import writing
from hndesc.io.markers import MARKER, check_unchanged, write_marker

logger = logging.getLogger(__name__)


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
        for source in inputs:
            if source:
                _check_apart(output, target, Path(source))
        check_parent(target)
        if not os.path.lexists(target):
            return target
        if not target.is_dir():
            raise HndescError(f"{output}: not a folder, but {step} writes one there; choose another place")
        check_unchanged(output, target, step)
    return target


@contextmanager
def replace_folder(
    output: str | os.PathLike, step: str, inputs: Iterable[str | os.PathLike | None] = ()
) -> Iterator[Path]:
    """Yield an empty folder next to `output` that becomes `output` when the block succeeds; arguments as above.

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
    """Return the folder next to `output` in which it is filled, with the files of an interrupted run."""
    inputs = list(inputs)
    target = check_output_folder(output, step, inputs)
    part, old = _beside(target)
    check_output_folder(part, step, inputs)
    check_output_folder(old, step, inputs)
    with named_errors(output):
        part.mkdir(parents=True, exist_ok=True)
    write_marker(part, step, complete=False)
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
    write_marker(part, step, complete=True)
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


def _links(folder: str | os.PathLike[str]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield entry.path
            elif entry.is_dir(follow_symlinks=False):
                yield from _links(entry.path)


def _remove(folder: Path) -> None:
    """Remove a folder of ours, its marker last: what a kill leaves of it is still known as ours."""
    try:
        clear_folder(folder)
        (folder / MARKER).unlink(missing_ok=True)
        folder.rmdir()
    except (OSError, HndescError) as error:
        logger.warning("%s: cannot be removed (%s); delete it", folder, error)
