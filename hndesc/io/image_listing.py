"""Lists the images below a folder, and what is skipped."""

import heapq
import importlib.util
import logging
import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from hndesc.errors import HndescError, printable

logger = logging.getLogger(__name__)

# fmt: off
SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".tif", ".tiff",
    ".webp", ".gif", ".jp2", ".j2k", ".jpx", ".avif", ".avifs", ".heic", ".heif", ".hif",
})
# Images of other formats: they are left out, and named.
_NOT_READ = frozenset({
    ".jxl", ".jxr", ".psd", ".xcf", ".exr", ".hdr", ".tga", ".qoi", ".pcx", ".eps",
    ".svg", ".dng", ".raw", ".arw", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".orf", ".raf", ".rw2", ".pef", ".srw",
    ".sr2", ".rwl", ".3fr", ".iiq", ".x3f", ".erf", ".kdc", ".mrw",
})
# fmt: on
_HEIF = frozenset({".heic", ".heif", ".hif"})  # read if a package of an extra is installed
_NAMED = 3
# How files of photos begin, for those that have lost their suffix; of ISO containers (AVIF, HEIF), the brand.
_BEGIN = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


def find_images(folder: str | os.PathLike) -> list[str]:
    """Return the relative POSIX paths of all images below `folder`, sorted.

    Links to folders are followed; a folder that several lead to is listed once, by its own path if it lies below
    `folder`. A file without suffix is a photo if it begins as one. Hidden files and folders (`.name`) are left out.
    What looks like an image and cannot be listed is counted and named in one warning: other formats, names that are not
    UTF-8, anything but a regular file, and folders that cannot be read.

    Raises:
        HndescError: the folder is missing, cannot be read or holds no image.
    """
    folder = Path(folder)
    listing = _Listing(folder)
    skipped = listing.describe_skipped()
    if not listing.names:
        reason = f"; {skipped}" if skipped else ""
        raise HndescError(
            f"{printable(folder)}: no image in it or below it (looked for {', '.join(sorted(SUFFIXES))}){reason}"
        )
    if skipped:
        _warn_once(f"{printable(folder)}: {skipped}")
    return sorted(listing.names)


@cache
def _warn_once(message: str) -> None:
    logger.warning("%s", message)


class _Listing:
    """The images below a folder (`names`), and the skipped files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []
        self.skipped: list[str] = []
        self._links: list[str] = []  # to folders, a heap: followed after all real folders, in the order of their names
        self._seen: set[tuple[int, int]] = set()
        self._above: set[tuple[int, int]] = set()
        self._list("")
        self._above.update(_identity(path) for path in Path(os.path.realpath(root)).parents)
        while self._links:
            self._list(heapq.heappop(self._links))

    def describe_skipped(self) -> str:
        """Return one line about the skipped files; empty if there are none."""
        if not self.skipped:
            return ""
        first = sorted(self.skipped)[:_NAMED]
        more = f" and {len(self.skipped) - len(first)} more" if len(self.skipped) > len(first) else ""
        noun = "file or folder" if len(self.skipped) == 1 else "files or folders"
        return f"skipped {len(self.skipped)} {noun}: {', '.join(first)}{more}"

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(f"{printable(name).rstrip('/')} ({reason})")

    def _list(self, start: str) -> None:
        """List a folder (a relative path that ends with "/", or nothing) and all real folders below it."""
        waiting = [start]
        while waiting:
            prefix = waiting.pop()
            try:
                identity = _identity(self.root / prefix)
                if identity in self._above:
                    self._skip(prefix, "a link to a folder above")
                elif identity not in self._seen:
                    self._seen.add(identity)
                    with os.scandir(self.root / prefix) as entries:
                        waiting.extend(self._sort(entries, prefix))
            except OSError as error:
                if not prefix:
                    raise HndescError(_unlisted(self.root, error)) from None
                self._skip(prefix, _cause(error))

    def _sort(self, entries: Iterator[os.DirEntry], prefix: str) -> Iterator[str]:
        """Sort the entries of a folder into images, links and what is skipped; yield real sub-folders."""
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = prefix + entry.name
            suffix = os.path.splitext(entry.name)[1].lower()
            folder, link = entry.is_dir(follow_symlinks=False), entry.is_symlink()
            if not (folder or link or suffix in SUFFIXES or (not suffix and _begins_as_photo(entry))):
                if suffix in _NOT_READ:
                    self._skip(name, "a format that is not read")
            elif not _is_utf8(entry.name):
                self._skip(name, "its name is not UTF-8")
            elif folder:
                yield f"{name}/"
            elif suffix in _HEIF and not reads_heif():
                self._skip(name, "HEIC: pip install 'hndesc[heif]'")
            elif entry.is_file(follow_symlinks=False):
                self.names.append(name)
            else:
                self._sort_other(entry, name, suffix)

    def _sort_other(self, entry: os.DirEntry, name: str, suffix: str) -> None:
        try:
            mode = entry.stat().st_mode
        except OSError:
            mode = stat.S_IFREG  # a link that leads nowhere is an image that cannot be read, and reported as such
        if stat.S_ISDIR(mode):
            heapq.heappush(self._links, f"{name}/")
        elif suffix in SUFFIXES and stat.S_ISREG(mode):
            self.names.append(name)
        elif suffix in SUFFIXES:
            self._skip(name, "not a regular file")
        elif suffix in _NOT_READ:
            self._skip(name, "a format that is not read")


@cache
def reads_heif() -> bool:
    """Return whether the package is installed that reads HEIC and HEIF."""
    return importlib.util.find_spec("pillow_heif") is not None


def _begins_as_photo(entry: os.DirEntry) -> bool:
    """Return whether a regular file, which has no suffix, begins as a photo does."""
    try:
        if not entry.is_file(follow_symlinks=False):
            return False
        with open(entry.path, "rb") as stream:
            head = stream.read(12)
    except OSError:
        return False
    webp = head[:4] == b"RIFF" and head[8:] == b"WEBP"
    return head.startswith(_BEGIN) or webp or (head[4:8] == b"ftyp" and head[8:] in _BRANDS)


def _identity(folder: str | os.PathLike) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 are lone surrogates in Python
        return False
    return True


def _cause(error: OSError) -> str:
    return "no permission" if isinstance(error, PermissionError) else str(error.strerror).lower()


def _unlisted(folder: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{printable(folder)}: no permission to list this folder of images; change its mode"
    if isinstance(error, NotADirectoryError):
        return f"{printable(folder)}: a file; expected a folder of images"
    return f"{printable(folder)}: no such folder of images"
