"""HDF5 files whose writing resumes after an interruption, from the same sources only, and merging of shards.

A file is written as `<name>.part`. Until it is complete, `<name>.part.json` next to it records its sources: the
settings, the sources of all its entries and those of each.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py

from hndesc.errors import HndescError
from hndesc.io.files import check_space, raise_full_disk, write_json
from hndesc.io.hdf5 import (
    FAULTS,
    check_hdf5_output,
    check_own_hdf5,
    create_hdf5,
    find,
    make_group,
    named,
    obstacle,
    open_hdf5,
    read_text,
    reopen_hdf5,
    write_text,
    written_hdf5,
)
from hndesc.io.locks import writing

logger = logging.getLogger(__name__)

_RECORD = {"settings", "source", "entries"}
_ABSENT = object()


def partial_path(path: Path) -> Path:
    """Return the path of the incomplete file."""
    return path.with_name(path.name + ".part")


def record_path(path: Path) -> Path:
    """Return the path of the record of the sources of the incomplete file."""
    return path.with_name(path.name + ".part.json")


@contextmanager
def filling(
    path: Path, settings: str, source: str = "", entries: Mapping[str, str] | None = None
) -> Iterator[h5py.File]:
    """Fill a file as `<name>.part`, which becomes `path` when the block succeeds.

    What an interrupted run left is kept if it was made with the same settings and from the same source; of its entries,
    those that are requested and whose own sources are unchanged.

    Args:
        path: the output.
        settings: what makes the file, JSON; stored in it.
        source: what all entries are made from (`hndesc.runtime.provenance.file_identity`).
        entries: by name what each entry is made from besides; None: all that were made are kept.

    Raises:
        HndescError: another run is writing the file, or it cannot be written.
    """
    path = check_hdf5_output(path)
    sources: dict[str, Any] = {"settings": settings, "source": _hash(source)}
    sources["entries"] = {name: _hash(identity) for name, identity in (entries or {}).items()}
    with writing(path):
        file = _resume(path, sources, entries is not None) or _begin(path, sources)
        try:
            with file:
                yield file
        except Exception as error:
            raise_full_disk(path, error)
            raise
        os.replace(partial_path(path), path)
        record_path(path).unlink(missing_ok=True)


def _begin(path: Path, sources: Mapping) -> h5py.File:
    part = partial_path(path)
    part.unlink(missing_ok=True)
    write_json(record_path(path), sources)  # first: a part without its record is not known to be ours
    file = create_hdf5(part)
    write_text(file, "settings", sources["settings"])
    return file


def _resume(path: Path, sources: Mapping, by_entry: bool) -> h5py.File | None:
    """Open the part of an interrupted run without the entries of other sources; None where there is no such part."""
    part, found = partial_path(path), _record(path)
    if not part.exists():
        return None
    if any(found.get(key) != sources[key] for key in ("settings", "source")):
        logger.info("%s was written with other settings or from other sources: all entries are made again", part)
        return None
    file = None
    try:
        file = reopen_hdf5(part)
        if read_text(file, "settings") != sources["settings"]:
            raise ValueError("not the file that its record describes")
        file.visititems(lambda *_: None)
        if by_entry:
            _drop(file, [name for name, one in found["entries"].items() if sources["entries"].get(name) != one])
            write_json(record_path(path), sources)
        return file
    except FAULTS as error:
        if file is not None:
            file.close()
        # One that is locked or not ours to open is not to be deleted.
        if isinstance(error, OSError) and (reason := obstacle(error)):
            raise HndescError(f"{part}: {reason}") from None
        return None  # cut short by a kill in the middle of a write


def _drop(file: h5py.File, names: Iterable[str]) -> None:
    for name in names:
        if find(file, name) is not None:
            del file[name]
    file.flush()


def _record(path: Path) -> dict:
    """Return the sources of the partial file of an interrupted run, empty if there is none."""
    part, record = partial_path(path), record_path(path)
    try:
        found = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else None
    except (OSError, ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and found.keys() == _RECORD and isinstance(found["entries"], dict):
        return found
    if os.path.lexists(record):
        raise HndescError(f"{record}: exists and was not made by hndesc; move it away or choose another output")
    check_own_hdf5(part)
    return {}


def gather(
    paths: Iterable[str | os.PathLike],
    output: str | os.PathLike,
    what: str,
    names: Callable[[h5py.File], Iterable[str]],
) -> None:
    """Merge shards made with equal settings into one file.

    Args:
        paths: the shards.
        output: what has the entries of all, with the attributes that each has.
        what: the kind of file, for messages.
        names: returns the names of a file's entries.

    Raises:
        HndescError: shards differ in their attributes, have an entry in common, or are damaged.
    """
    paths = list(paths)
    check_hdf5_output(output, paths)
    with written_hdf5(output) as target:
        for number, path in enumerate(paths):
            with open_hdf5(path, what) as source, named(f"{path}: broken {what}"):
                made_by = {name: read_text(source, name) or "" for name in source.attrs}
                if number == 0:
                    first = made_by
                    for name, text in made_by.items():
                        write_text(target, name, text)
                elif different := next(_differences(_parsed(first), _parsed(made_by)), None):
                    raise HndescError(
                        f"{path}: made with other settings than the files that it is merged with ({different})"
                    )
                check_space(output, os.path.getsize(path))
                _copy(source, target, names(source), path)


def _parsed(made_by: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes of a file by name, JSON objects as such and other texts as they are."""
    values: dict[str, Any] = {}
    for name, text in made_by.items():
        try:
            values[name] = json.loads(text)
        except (ValueError, RecursionError):
            values[name] = text
    return values


def _differences(first: Any, other: Any, key: str = "") -> Iterator[str]:
    """Yield the keys whose values differ, those of nested objects joined by dots, with both values."""
    if isinstance(first, dict) and isinstance(other, dict):
        for name in sorted(first.keys() | other.keys()):
            place = f"{key}.{name}" if key else name
            yield from _differences(first.get(name, _ABSENT), other.get(name, _ABSENT), place)
    elif first != other:
        here, there = ("not set" if one is _ABSENT else json.dumps(one) for one in (other, first))
        yield f"{key} is {here:.60}, there {there:.60}"


def _copy(source: h5py.File, target: h5py.File, names: Iterable[str], path: str | os.PathLike) -> None:
    for name in names:
        if name in target:
            raise HndescError(f"{path}: '{name}' is already in another of the merged files")
        source.copy(name, make_group(target, os.path.dirname(name)), os.path.basename(name))


def _hash(identity: str) -> str:
    return sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]
