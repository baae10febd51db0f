"""Unpacking archives that may be hostile: only plain files and folders, only inside, only so many bytes.

Every member is checked by its name and kind, and written anew as a plain file: no link, device or permission of the
archive ever reaches the disk, so that no later member can go through an earlier one.
"""

import errno
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from hndesc.errors import HndescError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_FILES = 10_000_000
MAX_TAIL = 1000
_CHUNK = 1 << 20
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, OSError, RuntimeError)
_BROKEN += (NotImplementedError, ValueError, OverflowError)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class _Member:
    """One plain file of an archive."""

    name: str
    size: int
    source: zipfile.ZipInfo | tarfile.TarInfo


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
    written, seen = 0, set()
    try:
        _check_room(archive, folder)
        with _open(archive) as (members, read):
            for member in tqdm(members, desc=archive.name, unit="file", disable=None):
                relative = _destination(archive, member.name, flatten, strip)
                if relative is None:
                    continue
                if relative in seen:
                    raise HndescError(f"{archive}: two of its files would be {relative}; it is not unpacked")
                seen.add(relative)
                written += member.size
                if written > max_bytes or len(seen) > MAX_FILES:
                    raise HndescError(
                        f"{archive}: unpacks to more than {max_bytes:,} bytes; if that is right for this dataset, "
                        "raise 'unpacked' of its entry in the registry"
                    )
                with read(member) as stream:
                    _write(stream, folder / relative, member.size)
    except HndescError:
        raise
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise HndescError(f"{folder}: the disk is full ({error.strerror}); make room and run again") from None
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise HndescError(f"{archive}: a broken archive ({reason}); delete it and run again") from None
    if not seen:
        raise HndescError(f"{archive}: there is no file in it; delete it and run again")
    return len(seen)


def _check_room(archive: Path, folder: Path) -> None:
    """Refuse to begin what cannot end; a tar archive tells of its contents only that they are hardly less than it."""
    needed = archive.stat().st_size // 2
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            needed = sum(info.file_size for info in opened.infolist())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise HndescError(
            f"{archive}: needs {needed / 1e9:.3g} GB unpacked but {free / 1e9:.3g} GB are free; make room and run again"
        )


@contextmanager
def _open(archive: Path) -> Iterator[tuple[Iterator[_Member], object]]:
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_members(archive, opened), lambda member: opened.open(member.source)
    else:
        # Copied member by member in one pass: seeking back would decompress a large archive twice.
        with tarfile.open(archive, "r:*") as opened:
            yield _tar_members(archive, opened), lambda member: opened.extractfile(member.source)


def _zip_members(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise HndescError(f"{archive}: '{info.filename:.200}' is a link or device; it is not unpacked")
        if info.flag_bits & 1:
            raise HndescError(f"{archive}: '{info.filename:.200}' is encrypted; it is not unpacked")
        _check_name(archive, info.orig_filename)
        if not info.is_dir():
            yield _Member(info.filename, info.file_size, info)


def _tar_members(archive: Path, opened: tarfile.TarFile) -> Iterator[_Member]:
    for info in opened:
        if not (info.isreg() or info.isdir()):
            raise HndescError(f"{archive}: '{info.name:.200}' is a link or device; it is not unpacked")
        _check_name(archive, info.name)
        opened.members = []  # tarfile would keep every header
        if info.isreg():
            yield _Member(info.name, info.size, info)
    # The checksum of a compressed stream stands at its end, behind that of the tar archive.
    for _ in range(MAX_TAIL):
        if not opened.fileobj.read(_CHUNK):
            break


def _check_name(archive: Path, name: str) -> None:
    outside = name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts
    if outside or "\\" in name or "\0" in name or (len(name) > 1 and name[1] == ":") or not name:
        raise HndescError(f"{archive}: the path {name[:200]!r} leads out of it; it is not unpacked")


def _destination(archive: Path, name: str, flatten: bool, strip: int) -> Path | None:
    """Return where a file goes, relative to the folder; None if it stands above what is kept."""
    parts = PurePosixPath(name).parts
    if not parts:
        raise HndescError(f"{archive}: the path {name[:200]!r} names no file; it is not unpacked")
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
