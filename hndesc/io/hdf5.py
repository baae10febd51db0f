"""HDF5 files: written with checksums, and read safely from untrusted sources.

Files are made with the checksums that HDF5 offers: Fletcher32 for values, and those of its 1.8 form for all that
describes them. Reading follows no link, asks for no values outside the file, and takes no more memory than what is
stored can fill.
"""

import errno
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self, overload

import h5py
import numpy as np
from h5py import h5d, h5f, h5g, h5l, h5o, h5p

from hndesc.errors import HndescError
from hndesc.io.files import atomic_path, check_output_file
from hndesc.io.hdf5_output import OutputFile
from hndesc.runtime.provenance import file_identity

# What h5py raises on files that are damaged or hold something else, and numpy on values of another form.
FAULTS = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError)
# Bytes on disk of what HDF5 keeps of a file's groups and headers; twenty times that in memory.
_KEPT = 2**18
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Bytes of a dataset that is always read; a larger one may have at most this multiple of its stored bytes.
_SMALL, _RATIO = 2**27, 64
# Bytes and pieces of the largest dataset.
_MOST, _PIECES = 2**31, 2**17
# Bytes of a chunk. Buffers of more than this go back to the system after each, which then takes half of the time.
_CHUNK = 2**17
# Levels of groups; names have fewer parts.
_DEPTH = 64
# Bytes of the longest text that is kept as an attribute of fixed length; HDF5 has room for 64 KB.
_TEXT = 60000


def _bounded(file: h5py.File) -> h5py.File:
    """Return a file of many entries, set so that memory does not grow with those read or written.

    HDF5 keeps the groups and headers that were used, and by itself up to 32 MiB of them: 10 KB of memory an entry, for
    tens of thousands of entries. Large blocks that are freed between those small ones do not go back to the system.
    """
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = _KEPT
    config.incr_mode = 0  # H5C_incr__off; room for a single large piece, the names of a folder, is still made
    file.id.set_mdc_config(config)
    return file


def create_hdf5(path: str | os.PathLike) -> h5py.File:
    """Make an empty file whose groups, headers and names have checksums; equal content gives equal bytes.

    Made in the form of HDF5 1.8, and only then opened for writing in that of 1.10: a file that is made in the newer
    form cannot be opened again when its writer was killed.
    """
    creation, access = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    creation.set_obj_track_times(False)
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    h5f.create(os.fsencode(path), h5f.ACC_TRUNC, creation, access).close()
    return reopen_hdf5(path)


def reopen_hdf5(path: str | os.PathLike) -> h5py.File:
    """Open a file of `create_hdf5` for writing."""
    return _bounded(OutputFile(path, libver=("v110", "v110")))


def make_group(file: h5py.File, name: str) -> h5py.Group:
    """Return the group of a path, created without timestamps if it is missing."""
    group = file["/"]
    for key in filter(None, name.split("/")):
        if key not in group:
            creation = h5p.create(h5p.GROUP_CREATE)
            creation.set_obj_track_times(False)
            h5g.create(group.id, encoded(key), gcpl=creation)
        group = group[key]
    return group


def write_array(group: h5py.Group, name: str, values: np.ndarray, **options: object) -> None:
    """Store an array with a checksum, which HDF5 itself compares when it is read."""
    values = np.asarray(values)
    checked = {"chunks": _chunks(values), "fletcher32": True} if values.size and values.ndim else {}
    group.create_dataset(name, data=values, **checked | options)


def _chunks(values: np.ndarray) -> tuple[int, ...]:
    """Return the shape of the chunks of an array: as many whole rows as `_CHUNK` has room for, at least one."""
    return (min(len(values), max(1, _CHUNK // values[0].nbytes)), *values.shape[1:])


def write_text(item: h5py.Group, name: str, text: str) -> None:
    """Store a text as an attribute; the first 60 KB are covered by a checksum."""
    data = text.encode("utf-8", "surrogateescape")
    fixed = 0 < len(data) <= _TEXT
    item.attrs.create(name, data if fixed else text, dtype=h5py.string_dtype("utf-8", len(data) if fixed else None))


@overload
def read_text(item: h5py.Group, name: str, default: str) -> str: ...


@overload
def read_text(item: h5py.Group, name: str, default: None = None) -> str | None: ...


def read_text(item: h5py.Group, name: str, default: str | None = None) -> str | None:
    """Return an attribute that is a text, `default` where there is none; anything else is a ValueError."""
    if name not in item.attrs:
        return default
    value = item.attrs[name]
    if not isinstance(value, str | bytes):
        raise ValueError(f"attribute '{name}' is no text")
    return value.decode() if isinstance(value, bytes) else value.encode().decode()


def read_json(item: h5py.Group, name: str) -> dict:
    """Return an attribute that is a JSON object, empty where there is none; anything else is a ValueError."""
    try:
        value = json.loads(read_text(item, name, "{}"), parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"attribute '{name}' is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"attribute '{name}' is no JSON object")
    return value


def find(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return the object at a path, or None; links to other files raise a ValueError."""
    item = group
    for key in name.split("/"):
        if not isinstance(item, h5py.Group) or not key or not has(item, key):
            return None
        if item.id.links.get_info(encoded(key)).type != h5l.TYPE_HARD:
            raise ValueError(f"'{key}' is a link to another place; links are not followed")
        item = item[encoded(key)]
    return item


def entries(
    group: h5py.Group, is_entry: Callable[[h5py.Group], bool], prefix: str = "", seen: set | None = None
) -> Iterator[tuple[str, h5py.Group]]:
    """Yield path and group of all entries below a group; cyclic groups are a ValueError."""
    seen = set() if seen is None else seen
    if prefix.count("/") > _DEPTH:
        raise ValueError(f"groups within groups, more than {_DEPTH} deep")
    for key in keys(group):
        item = find(group, key)
        if not isinstance(item, h5py.Group):
            continue
        if is_entry(item):
            yield prefix + key, item
            continue
        place = h5o.get_info(item.id).addr
        if place in seen:
            raise ValueError(f"group '{prefix}{key}' has two names")
        seen.add(place)
        yield from entries(item, is_entry, f"{prefix}{key}/", seen)


def keys(group: h5py.Group) -> Iterator[str]:
    """Yield the names in a group; bytes that are not UTF-8 are kept as Python does in file names."""
    for key in group:
        yield key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else key


def has(group: h5py.Group, name: str) -> bool:
    """Return whether a group contains a name, without opening the object."""
    return group.id.links.exists(encoded(name))


def read_array(group: h5py.Group, name: str) -> np.ndarray:
    """Read a dataset of integers or floating-point numbers; anything else is a ValueError, or an error of h5py."""
    item = find(group, name)
    if item is None:
        raise KeyError(f"no dataset '{name}'")
    if not isinstance(item, h5py.Dataset):
        raise ValueError(f"'{name}' is no dataset")
    check_stored(item, name)
    if item.dtype.kind not in "fiu":
        raise ValueError(f"dataset '{name}' holds no numbers")
    return item[()]


def check_stored(item: h5py.Dataset, name: str) -> None:
    """Make sure that reading a dataset needs no other file and no memory beyond what is stored (ValueError)."""
    made = item.id.get_create_plist()
    if made.get_layout() == h5d.VIRTUAL or made.get_external_count():
        raise ValueError(f"dataset '{name}' keeps its values in another file")
    if item.shape is None:
        raise ValueError(f"dataset '{name}' is empty")
    size, pieces = math.prod(item.shape) * item.dtype.itemsize, 1
    if item.chunks and size:
        pieces = math.prod(-(-length // chunk) for length, chunk in zip(item.shape, item.chunks, strict=True))
        size = max(size, math.prod(item.chunks) * item.dtype.itemsize)
    if size > _MOST or pieces > _PIECES or size > max(_SMALL, _RATIO * item.id.get_storage_size()):
        raise ValueError(f"dataset '{name}' declares {size} bytes in {pieces} pieces, which are not there or too many")


def explain(error: BaseException) -> str:
    """Return in a few words what h5py's error means."""
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error) or type(error).__name__
    if "checksum" in text or "filter returned failure" in text:
        return "damaged: a checksum does not agree"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    inner = re.search(r"^(?:Unable|Can't) .*?\((.*)\)", text, re.DOTALL)  # what HDF5 says, within what h5py does
    return " ".join((inner[1] if inner else text).split())[:200]


@contextmanager
def named(place: str) -> Iterator[None]:
    """Turn errors of h5py on a damaged or malformed file into an error that names the file."""
    try:
        yield
    except FAULTS as error:
        raise HndescError(f"{place} ({explain(error)}); make the file again") from None


def open_hdf5(path: str | os.PathLike, what: str) -> h5py.File:
    """Open a file for reading.

    Args:
        path: of the file.
        what: the kind of file, for the message.

    Raises:
        HndescError: no such file, one that is locked or cannot be read, or not a complete one.
    """
    with opening(path):
        if not Path(path).exists():
            raise HndescError(f"{path}: no such {what}")
        if not Path(path).is_file():
            raise HndescError(f"{path}: a folder or device, not a {what}")
        return _bounded(h5py.File(path, "r"))


@contextmanager
def written_hdf5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """Yield a new HDF5 file that becomes `path` when the block succeeds; see `check_hdf5_output`."""
    with atomic_path(check_hdf5_output(path)) as temporary, create_hdf5(temporary) as file:
        yield file


def check_hdf5_output(path: str | os.PathLike, inputs: Iterable[str | os.PathLike] = ()) -> Path:
    """Check in advance that an HDF5 file can be written; arguments, result and errors as for `check_output_file`.

    A file that is there is replaced only if a run of ours can have made it: a mistyped name spares photos and notes.
    """
    target = check_output_file(path, inputs)
    check_own_hdf5(target)
    return target


def check_own_hdf5(path: Path, attributes: Iterable[str] = ("settings",)) -> None:
    """Refuse a file that hndesc cannot have written; called before a file with a derived name is replaced.

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
    except FAULTS:
        pass  # cut short by a kill
    if not ours:
        raise HndescError(f"{path}: exists and was not made by hndesc; move it away or choose another output")


@contextmanager
def opening(path: str | os.PathLike) -> Iterator[None]:
    """Distinguish a file that cannot be opened now, or by this user, from a damaged one."""
    try:
        yield
    except OSError as error:
        if reason := obstacle(error):
            raise HndescError(f"{path}: {reason}") from None
        raise HndescError(f"{path}: not a complete HDF5 file ({explain(error)}); make it again") from None


def obstacle(error: OSError) -> str | None:
    """Return why an intact file cannot be opened now; None if it is damaged."""
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK) or "unable to lock file" in str(error):
        return (
            "locked by another process, which writes it; wait for its end (on file systems whose locks do not work, "
            "set HDF5_USE_FILE_LOCKING=FALSE)"
        )
    if "already open for write" in str(error):
        return (
            "another process writes it, or was killed while it did; wait for its end, or repair the file with "
            "'h5clear --status', or make it again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission to open it; ask its owner or change its mode"
    # HDF5 reports truncated files without an error number.
    return f"cannot be opened ({os.strerror(error.errno)})" if error.errno else None


class Reader:
    """Read a file with the attribute `settings` (JSON); use as a context manager."""

    what: ClassVar[str] = "HDF5 file"

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._open()

    def _open(self) -> None:
        self._file = open_hdf5(self.path, self.what)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_file"}

    def __setstate__(self, state: Mapping) -> None:
        """Reopen the file in another process."""
        vars(self).update(state)
        self._open()

    @property
    def settings(self) -> dict:
        """The settings that made the file; empty for files of other programs."""
        with named(f"{self.path}: not a {self.what}"):
            return read_json(self._file, "settings")

    @property
    def identity(self) -> str:
        """The identity of the file, recorded in files that are made from it."""
        return file_identity(self.path)


def encoded(name: str) -> bytes:
    """Return a name in the form that h5py accepts for any characters."""
    return name.encode("utf-8", "surrogateescape")


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number")
