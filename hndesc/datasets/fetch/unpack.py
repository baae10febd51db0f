"""Safe unpacking of untrusted archives: only regular files and folders, only inside the target, limited in size.

Every member is checked by name and type and written as a new regular file. Links, devices and permissions of the
archive are never created, so no member can be written through an earlier one.
"""

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
from hndesc.io.files import is_full_disk_error

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_FILES = 2_000_000
MAX_DEPTH = 64
MAX_DIRECTORY = 100_000_000  # bytes of the central directory of a zip archive, which is read as a whole
_CHUNK = 1 << 20
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, OSError, RuntimeError),
    *(NotImplementedError, ValueError, OverflowError, MemoryError, struct.error, KeyError, IndexError),
)


@dataclass(frozen=True)
class _Member:
    """One file or folder of an archive; a nonempty `kind` describes an unsupported type."""

    name: str
    size: int
    is_folder: bool
    kind: str
    open: Callable[[], IO[bytes] | "_TarData"]


@dataclass(frozen=True)
class _TarData:
    """The data of a member as a file that can be read once."""

    read: Callable[[int], bytes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Keep the archive open."""


def is_archive(name: str) -> bool:
    """Return whether a file is an archive supported by `unpack`, by its name."""
    return name.lower().endswith(SUFFIXES)


def unpack(
    archive: str | os.PathLike, folder: str | os.PathLike, max_bytes: int, *, flatten: bool = False, strip: int = 0
) -> int:
    """Unpack a zip or tar archive into a folder.

    Existing files are replaced. The caller must remove the files of a failed call.

    Args:
        archive: archive with one of `SUFFIXES`.
        folder: target folder, created if necessary. Nothing outside it is touched.
        max_bytes: maximum number of bytes to write.
        flatten: whether to ignore the folders of the archive.
        strip: number of leading folders to remove.

    Returns:
        The number of files.

    Raises:
        HndescError: the archive is broken, contains a path outside of the target, a link, a device, two files with the
            same name or more than `max_bytes`, or the disk is full.
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
        if isinstance(error, OSError) and is_full_disk_error(error):
            raise HndescError(f"{folder}: the disk is full ({error.strerror}); free some space and run again") from None
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise HndescError(f"{archive}: broken archive ({reason}); delete it and run again") from None
    if not count:
        raise HndescError(f"{archive}: the archive contains no file; delete it and run again")
    return count


def _unpack_members(
    archive: Path, folder: Path, members: Iterator[_Member], max_bytes: int, free: int, flatten: bool, strip: int
) -> int:
    total = written = 0
    seen: set[str] = set()
    for number, member in enumerate(tqdm(members, desc=archive.name, unit="file", disable=None)):
        if member.kind:
            raise HndescError(f"{archive}: {_display(member.name)} is {member.kind}; it is not unpacked")
        total += member.size
        if total > max_bytes or number >= MAX_FILES:
            what = f"{max_bytes:,} bytes" if total > max_bytes else f"{MAX_FILES:,} files"
            raise HndescError(
                f"{archive}: unpacks to more than {what}; if that is correct for this dataset, "
                "increase 'unpacked' of its entry in the registry"
            )
        _check_room(archive, total, free)
        relative = None if member.is_folder else _destination(archive, member.name, flatten, strip)
        if relative is None:
            continue
        # Names that differ only in case are the same file on some file systems.
        key = unicodedata.normalize("NFC", relative.as_posix()).casefold()
        if key in seen and os.path.lexists(folder / relative):
            raise HndescError(f"{archive}: two of its files have the name {relative}; it is not unpacked")
        seen.add(key)
        with member.open() as stream:
            _write(stream, folder / relative, member.size)
        written += 1
    return written


def _check_room(archive: Path, needed: int, free: int) -> None:
    if needed > free:
        raise HndescError(
            f"{archive}: needs {needed / 1e9:.3g} GB, but only {free / 1e9:.3g} GB are free; free some space and run "
            "again"
        )


@contextmanager
def _open(archive: Path, free: int) -> Iterator[Iterator[_Member]]:
    if archive.name.lower().endswith(".zip"):
        _check_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            _check_room(archive, sum(info.file_size for info in opened.infolist()), free)
            yield _zip_members(archive, opened)
    else:
        _check_room(archive, archive.stat().st_size // 2, free)  # a lower bound; the unpacked size is unknown
        with open_tar(archive) as stream:
            yield _tar_members(archive, stream)


def _check_directory(archive: Path) -> None:
    """Raise an error for a zip archive whose central directory would exhaust memory."""
    with open(archive, "rb") as stream:
        stream.seek(max(0, archive.stat().st_size - 2**17))
        end = stream.read()
    sizes = [0]
    if (place := end.rfind(b"PK\x05\x06")) >= 0:
        sizes += struct.unpack_from("<I", end, place + 12)
    if (place := end.rfind(b"PK\x06\x06")) >= 0:
        sizes += struct.unpack_from("<Q", end, place + 40)
    if max(size for size in sizes if size != 2**32 - 1) > MAX_DIRECTORY:
        raise HndescError(
            f"{archive}: its central directory is larger than {MAX_DIRECTORY:,} bytes; it is not unpacked"
        )


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
        kind = "a sparse file" if info.issparse() else kind
        # Names that are not UTF-8 are decoded as Latin-1, so that they can be displayed and listed.
        raw = info.name.encode("utf-8", "surrogateescape")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("latin-1")
        _check_name(archive, name)
        yield _Member(name, info.size, info.isdir(), kind, partial(_TarData, stream.data))


def _check_name(archive: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    outside = name.startswith(("/", "\\")) or ".." in parts
    if outside or "\\" in name or "\0" in name or (len(name) > 1 and name[1] == ":") or not name:
        raise HndescError(f"{archive}: the path {_display(name)} leads outside; it is not unpacked")
    if len(parts) > MAX_DEPTH:
        raise HndescError(f"{archive}: {_display(name)} is more than {MAX_DEPTH} folders deep; it is not unpacked")


def _display(name: str) -> str:
    return ascii(name[:200])


def _destination(archive: Path, name: str, flatten: bool, strip: int) -> Path | None:
    """Return the path of a file relative to the target; None if it is above the folders that are kept."""
    parts = PurePosixPath(name).parts
    if not parts:
        raise HndescError(f"{archive}: the path {_display(name)} is not a file name; it is not unpacked")
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
        # Reading to the end makes zipfile verify the checksum.
        if size or stream.read(1):
            raise ValueError(f"the size of '{path.name}' differs from that in its header")


def merge(source: Path, target: Path) -> None:
    """Move all files below `source` to the same paths below `target`, replacing existing files."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
    shutil.rmtree(source)
