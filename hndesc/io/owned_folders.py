"""Folders that steps make: one is replaced or removed only if a step made it, and never if an input would be lost.

The step marks the folder (`hndesc.io.markers`). Files that were added or changed later belong to the user.

A folder is filled as `.<name>.part`. A killed run leaves that folder without a list of the files that it wrote. The
next run moves all files in it to `.<name>.interrupted`. When it is complete, it removes those that it has written under
the same names, and keeps and reports the others.
"""

import glob
import json
import logging
import os
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hndesc.errors import HndescError
from hndesc.io.files import check_parent, check_space, named_errors, write_text
from hndesc.io.locks import writing
from hndesc.io.markers import MARKER, check_unchanged, list_files, read_marker, write_marker

logger = logging.getLogger(__name__)

_ASIDE = ".interrupted"


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
        check_apart(output, target, inputs)
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
            set_aside(part)
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


def resume_folder(
    output: str | os.PathLike,
    step: str,
    inputs: Iterable[str | os.PathLike | None],
    settings: Mapping[str, object],
    record: str,
) -> Path:
    """Return the folder in which `output` is filled, empty unless an interrupted run began it with these settings.

    Args:
        output, step, inputs: see `check_output_folder`.
        settings: what the content depends on, JSON-serializable.
        record: name of the file in the folder that holds them.
    """
    part = open_part_folder(output, step, inputs)
    text = json.dumps(settings, indent=1, sort_keys=True)
    path = part / record
    if not path.exists() or path.read_text(encoding="utf-8") != text + "\n":
        if any(name != record for name in list_files(part)):
            set_aside(part)
        write_text(path, text + "\n")
    return part


def set_aside(part: Path, kept: Container[str] = ()) -> None:
    """Move the files that an interrupted run left in a folder of `open_part_folder` to a folder beside it.

    Args:
        part: the folder.
        kept: relative names of the files with which the run resumes.
    """
    with named_errors(part):
        left = [name for name in list_files(part) if name not in kept]
        if left:
            aside = _unused(part.with_suffix(_ASIDE))
            aside.mkdir()
            shutil.copyfile(part / MARKER, aside / MARKER)
            logger.warning("%s: files of an interrupted run are moved to %s", part, aside)
        for name in left:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(part / name, aside / name)
        _prune(part, kept)


def _unused(path: Path) -> Path:
    """Return the first of path, path-2, path-3, ... that does not exist."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _prune(folder: Path, kept: Container[str], prefix: str = "") -> None:
    """Remove temporary files, what systems add, and empty folders."""
    for entry in list(os.scandir(folder)):
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            _prune(Path(entry.path), kept, f"{name}/")
            if not any(os.scandir(entry.path)):
                os.rmdir(entry.path)
        elif name != MARKER and name not in kept:
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
    _drop_interrupted(target, step)


def _drop_interrupted(target: Path, step: str) -> None:
    """Remove what `set_aside` moved of the files that the step has written now; report the others."""
    marker = read_marker(target) or {}
    for found in target.parent.glob(f".{glob.escape(target.name)}{_ASIDE}*"):
        if (read_marker(found) or {}).get("step") != step:
            continue
        for name in list(list_files(found)):
            if name in marker["files"]:
                (found / name).unlink()
        if foreign := sorted(list_files(found)):
            logger.warning(
                "%s: keeps %d files of an interrupted run that %s did not write again ('%s' first); move what is yours "
                "and delete the folder",
                *(found, len(foreign), step, foreign[0]),
            )
        else:
            _remove(found)


def _beside(target: Path) -> tuple[Path, Path]:
    """Return two hidden folders: for the incomplete output, and for the previous one while it is replaced."""
    return target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.old")


def remove_folder(folder: str | os.PathLike, step: str) -> None:
    """Remove a folder that `step` made, if it is there.

    Raises:
        HndescError: the step did not make it, or files in it were added or changed.
    """
    target = check_output_folder(folder, step)
    if target.exists():
        _remove(target)


def check_apart(output: str | os.PathLike, target: Path, inputs: Iterable[str | os.PathLike | None]) -> None:
    """Refuse an output that is, contains or lies within an input, or that a link in the input leads to.

    Args:
        output: as the user names it.
        target: its path without links.
        inputs: files and folders, None for none.
    """
    for source in [Path(one) for one in inputs if one]:
        found = Path(os.path.realpath(source))
        if overlap(target, found):
            raise HndescError(f"{output}: overlaps with the input {source}; choose an output apart from it")
        if target.is_dir() and found.is_dir():
            for link in _links(found):
                if overlap(target, Path(os.path.realpath(link))):
                    raise HndescError(f"{output}: the input {source} links to it ({link}); choose another output")


def overlap(first: Path, second: Path) -> bool:
    """Return whether two paths without links are equal or one lies within the other."""
    return first.is_relative_to(second) or second.is_relative_to(first)


def _links(folder: str | os.PathLike[str]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield entry.path
            elif entry.is_dir(follow_symlinks=False):
                yield from _links(entry.path)


def _remove(folder: Path) -> None:
    """Remove a folder of ours, its marker last, so that the rest of an interrupted removal is still recognized."""
    try:
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif entry.name != MARKER:
                os.unlink(entry.path)
        (folder / MARKER).unlink(missing_ok=True)
        folder.rmdir()
    except (OSError, HndescError) as error:
        logger.warning("%s: cannot be removed (%s); delete it", folder, error)
