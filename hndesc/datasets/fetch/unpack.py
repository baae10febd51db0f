"""Unpacking archives that may be hostile: only plain files and folders, only inside, only so many bytes.

Every member is checked by its name and kind, and written anew as a plain file: no link, device or permission of the
archive ever reaches the disk, so that no later member can go through an earlier one.
"""

import errno
import os
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, Self

from tqdm import tqdm

from hndesc.datasets.fetch.tar_stream import TarStream, open_tar
from hndesc.errors import HndescError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_FILES = 2_000_000
MAX_DEPTH = 64
MAX_DIRECTORY = 100_000_000  # bytes of a zip archive's list of files, which is read as a whole
_CHUNK = 1 << 20
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, OSError, RuntimeError)
_BROKEN += (NotImplementedError, ValueError, OverflowError, MemoryError, struct.error, KeyError, IndexError)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class _Member:
    """One file or folder of an archive; `kind` says what else it is, which is refused."""

    name: str
    size: int
    is_folder: bool
    kind: str
    open: Callable[[], IO[bytes] | "_TarData"]


@dataclass(frozen=True)
class _TarData:
    """The data of a member, as a file that is read once."""

    read: Callable[[int], bytes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The archive is read on."""


def is_archive(name: str) -> bool:
    """Tell by its name whether a file is an archive that `unpack` takes."""
    return name.lower().endswith(SUFFIXES)


def unpack(
    archive: str | os.PathLike, folder: str | os.PathLike, max_bytes: int, *, flatten: bool = False, strip: int = 0
) -> int:
    """Unpack a zip or tar archive into a folder.

    Files that are in the folder already are replaced; what is left of a failed call is the caller's to remove.

    Args:
        archive: its suffix tells what it is, see `SUFFIXES`.
        folder: where to; made if need be. Nothing outside it is touched.
        max_bytes: bound on all that is written.
        flatten: leave out the archive's folders.
        strip: number of leading folders to leave out.

    Returns:
        The number of files.

    Raises:
        HndescError: a broken archive, or one with a path that leads out, a link, a device, two files of one name, or
            more than `max_bytes`; or the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        free = shutil.disk_usage(folder).free
        with _open(archive, free) as members:
            count = _unpack_members(archive, folder, members, max_bytes, free, flatten, strip)
    except HndescError:
        raise
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise HndescError(f"{folder}: the disk is full ({error.strerror}); make room and run again") from None
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise HndescError(f"{archive}: a broken archive ({reason}); delete it and run again") from None
    if not count:
        raise HndescError(f"{archive}: there is no file in it; delete it and run again")
    return count


def _unpack_members(
    archive: Path, folder: Path, members: Iterator[_Member], max_bytes: int, free: int, flatten: bool, strip: int
) -> int:
    passed = written = 0
    seen: set[str] = set()
    for number, member in enumerate(tqdm(members, desc=archive.name, unit="file", disable=None)):
        if member.kind:
            raise HndescError(f"{archive}: {_shown(member.name)} is {member.kind}; it is not unpacked")
        passed += member.size
        if passed > max_bytes or number >= MAX_FILES:
            what = f"{max_bytes:,} bytes" if passed > max_bytes else f"{MAX_FILES:,} files"
            raise HndescError(
                f"{archive}: unpacks to more than {what}; if that is right for this dataset, "
                "raise 'unpacked' of its entry in the registry"
            )
        _check_room(archive, passed, free)
        relative = None if member.is_folder else _destination(archive, member.name, flatten, strip)
        if relative is None:
            continue
        # Names that differ in case only are one file on some file systems.
        key = unicodedata.normalize("NFC", relative.as_posix()).casefold()
        if key in seen and os.path.lexists(folder / relative):
            raise HndescError(f"{archive}: two of its files would be {relative}; it is not unpacked")
        seen.add(key)
        with member.open() as stream:
            _write(stream, folder / relative, member.size)
        written += 1
    return written


def _check_room(archive: Path, needed: int, free: int) -> None:
    if needed > free:
        raise HndescError(
            f"{archive}: needs {needed / 1e9:.3g} GB unpacked but {free / 1e9:.3g} GB are free; make room and run again"
        )


@contextmanager
def _open(archive: Path, free: int) -> Iterator[Iterator[_Member]]:
    if archive.name.lower().endswith(".zip"):
        _check_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            _check_room(archive, sum(info.file_size for info in opened.infolist()), free)
            yield _zip_members(archive, opened)
    else:
        _check_room(archive, archive.stat().st_size // 2, free)  # no more is known beforehand
        with open_tar(archive) as stream:
            yield _tar_members(archive, stream)


def _check_directory(archive: Path) -> None:
    """Refuse a zip archive whose list of files alone would fill the memory."""
    with open(archive, "rb") as stream:
        stream.seek(max(0, archive.stat().st_size - 2**17))
        end = stream.read()
    sizes = [0]
    if (place := end.rfind(b"PK\x05\x06")) >= 0:
        sizes += struct.unpack_from("<I", end, place + 12)
    if (place := end.rfind(b"PK\x06\x06")) >= 0:
        sizes += struct.unpack_from("<Q", end, place + 40)
    if max(size for size in sizes if size != 2**32 - 1) > MAX_DIRECTORY:
        raise HndescError(f"{archive}: its list of files has more than {MAX_DIRECTORY:,} bytes; it is not unpacked")


def _zip_members(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    listed = opened.infolist()
    if sum(info.compress_size for info in listed) > archive.stat().st_size:
        raise HndescError(f"{archive}: its files overlap; it is not unpacked")
    for info in listed:
        kind = "" if stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR) else "a link or device"
        kind = "encrypted" if info.flag_bits & 1 else kind
        _check_name(archive, info.orig_filename)
        yield _Member(info.filename, info.file_size, info.is_dir(), kind, partial(opened.open, info))


def _tar_members(archive: Path, stream: TarStream) -> Iterator[_Member]:
    for info in stream.members():
        kind = "" if info.isreg() or info.isdir() else "a link or device"
        kind = "a file with holes" if info.issparse() else kind
        # Bytes that are no UTF-8 would make file names that cannot be shown or listed.
        name = info.name.encode("utf-8", "surrogateescape")
        try:
            name = name.decode("utf-8")
        except UnicodeDecodeError:
            name = name.decode("latin-1")
        _check_name(archive, name)
        yield _Member(name, info.size, info.isdir(), kind, partial(_TarData, stream.data))


def _check_name(archive: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    outside = name.startswith(("/", "\\")) or ".." in parts
    if outside or "\\" in name or "\0" in name or (len(name) > 1 and name[1] == ":") or not name:
        raise HndescError(f"{archive}: the path {_shown(name)} leads out of it; it is not unpacked")
    if len(parts) > MAX_DEPTH:
        raise HndescError(f"{archive}: {_shown(name)} lies more than {MAX_DEPTH} folders deep; it is not unpacked")


def _shown(name: str) -> str:
    return ascii(name[:200])


def _destination(archive: Path, name: str, flatten: bool, strip: int) -> Path | None:
    """Return where a file goes, relative to the folder; None if it stands above what is kept."""
    parts = PurePosixPath(name).parts
    if not parts:
        raise HndescError(f"{archive}: the path {_shown(name)} names no file; it is not unpacked")
    kept = parts[-1:] if flatten else parts[strip:]
    return Path(*kept) if kept else None


def _write(stream: IO[bytes], path: Path, size: int) -> None:
    """Write exactly `size` bytes to a new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(path, "xb") as output:
        while size > 0 and (chunk := stream.read(min(_CHUNK, size))):
            output.write(chunk)
            size -= len(chunk)
        # Reading on to the end makes zipfile compare the checksum.
        if size or stream.read(1):
            raise ValueError(f"'{path.name}' is not as long as it says")


def merge(source: Path, target: Path) -> None:
    """Move all files below `source` to the same places below `target`, replacing what is there."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
    shutil.rmtree(source)
