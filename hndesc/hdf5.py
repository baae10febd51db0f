"""HDF5 files: opening them for reading, and filling them so that an interrupted run goes on where it stopped."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Self

import h5py

from hndesc.errors import HndescError
from hndesc.files import atomic_path, check_output_file, check_space

# What h5py raises on a file that was cut short.
BROKEN = (OSError, KeyError, RuntimeError)
# Bytes on disk of what HDF5 keeps of a file's groups and headers; ten times that in memory.
_KEPT = 2**20
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def open_bounded(path: str | os.PathLike, mode: str) -> h5py.File:
    """Open a file of many entries so that memory does not grow with those read or written.

    HDF5 keeps the groups and headers that were used, and by itself up to 32 MiB of them: 10 KB of memory an entry, for
    tens of thousands of entries. Large blocks that are freed between those small ones do not go back to the system.
    """
    file = h5py.File(path, mode)
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = _KEPT
    config.incr_mode = 0  # H5C_incr__off; room for a single large piece, the names of a folder, is still made
    file.id.set_mdc_config(config)
    return file


def open_hdf5(path: str | os.PathLike, what: str) -> h5py.File:
    """Open a file for reading.

    Args:
        path: of the file.
        what: the kind of file, for the message.

    Raises:
        HndescError: no such file, or not a complete one.
    """
    if not Path(path).is_file():
        raise HndescError(f"{path}: no such {what}")
    try:
        return open_bounded(path, "r")
    except OSError as error:
        raise HndescError(f"{path}: not a complete HDF5 file ({error}); delete it and make it again") from None


class Reader:
    """Read a file whose attribute `settings` (JSON) says what made it; use as a context manager."""

    what: ClassVar[str] = "HDF5 file"

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._file = open_hdf5(self.path, self.what)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_file"}

    def __setstate__(self, state: Mapping) -> None:
        """Open the file anew in another process."""
        vars(self).update(state)
        self._file = open_hdf5(self.path, self.what)

    @property
    def settings(self) -> dict:
        """What made the file; empty for files of other programs."""
        return json.loads(self._file.attrs.get("settings", "{}"))


def part_of(path: Path) -> Path:
    """Return the name under which `path` is filled."""
    return path.with_name(path.name + ".part")


def open_part(path: Path, **attributes: str) -> h5py.File:
    """Open the part file of `path` for writing.

    One that an interrupted run left is gone on with when its attributes are the same and every entry can be opened;
    else it is begun anew.

    Raises:
        HndescError: `path` cannot be written, or no run of ours can have left what has the name of its part file.
    """
    part = part_of(check_output_file(path))
    check_own_hdf5(part, attributes)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = open_bounded(part, "r+")
        if {name: file.attrs.get(name) for name in attributes} == attributes:
            file.visititems(lambda *_: None)
            return file
        file.close()
    except BROKEN:
        pass  # none yet, or cut short by a kill in the middle of a write
    part.unlink(missing_ok=True)
    file = open_bounded(part, "w")
    file.attrs.update(attributes)
    return file


def check_own_hdf5(path: Path, attributes: Iterable[str] = ("settings",)) -> None:
    """Refuse a file that no run of ours can have left; to be called before a file of a derived name is replaced.

    Args:
        path: an HDF5 file, whole or cut short, if it exists at all.
        attributes: that a file of ours with any content has.
    """
    check_output_file(path)
    if not os.path.lexists(path):
        return
    with open(path, "rb") as stream:
        ours = not path.is_symlink() and stream.read(len(_SIGNATURE)) in (b"", _SIGNATURE)
    try:
        with h5py.File(path, "r") as file:
            ours = ours and (len(file) == 0 or all(name in file.attrs for name in attributes))
    except BROKEN:
        pass  # cut short by a kill
    if not ours:
        raise HndescError(f"{path}: exists and was not made by hndesc; move it away or choose another output")


def gather(
    paths: Iterable[str | os.PathLike],
    output: str | os.PathLike,
    what: str,
    entries: Callable[[h5py.File], Iterable[str]],
) -> None:
    """Gather the entries of several files, shards made with equal settings, into one.

    Args:
        paths: the shards.
        output: what has the entries of all, with the attributes that each has.
        what: the kind of file, for messages.
        entries: returns the names of a file's entries.

    Raises:
        HndescError: shards that differ in their attributes, have an entry in common, or are broken.
    """
    paths = list(paths)
    check_output_file(output, paths)
    with atomic_path(output) as temporary, open_bounded(temporary, "w") as target:
        for number, path in enumerate(paths):
            with open_hdf5(path, what) as source:
                if number == 0:
                    target.attrs.update(source.attrs)
                elif dict(target.attrs) != dict(source.attrs):
                    raise HndescError(f"{path}: made with other settings than the files that it is merged with")
                try:
                    check_space(output, os.path.getsize(path))
                    _copy(source, target, entries(source), path)
                except BROKEN as error:
                    raise HndescError(f"{path}: broken {what} ({error}); delete it and make it again") from None


def _copy(source: h5py.File, target: h5py.File, names: Iterable[str], path: str | os.PathLike) -> None:
    for name in names:
        if name in target:
            raise HndescError(f"{path}: '{name}' is already in another of the merged files")
        source.copy(name, target.require_group(os.path.dirname(name) or "/"), os.path.basename(name))
