"""Plausibility checks by suffix of downloaded files without a published checksum."""

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hndesc.errors import HndescError

_HEAD = 4096
_LEGACY_TORCH = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_PICKLE_STARTS = b"\x80(]})cXU"
_TEXTS = (".txt", ".csv", ".tsv", ".json", ".yaml", ".yml", ".md", ".xml", ".html")
_MAGIC: Mapping[str, tuple[bytes, ...]] = {
    ".npy": (b"\x93NUMPY",),
    ".mat": (b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file", b"\x89HDF\r\n\x1a\n"),
    ".h5": (b"\x89HDF\r\n\x1a\n",),
    ".hdf5": (b"\x89HDF\r\n\x1a\n",),
    ".db": (b"SQLite format 3\0",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".gz": (b"\x1f\x8b",),
    ".bz2": (b"BZh",),
    ".xz": (b"\xfd7zXZ\0",),
}
_OPENERS: Mapping[str, Callable[[Path], Any]] = {
    ".tar": partial(Path.open, mode="rb"),
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar.xz": lzma.open,
}


def is_text(name: str) -> bool:
    """Return whether a file can be text, by its name."""
    return name.lower().endswith(_TEXTS)


def check_content(path: str | os.PathLike, name: str) -> None:
    """Check the beginning (and, if cheap, the end) of a file against its suffix.

    Args:
        path: file to check.
        name: final name of the file.

    Raises:
        HndescError: the content does not fit the suffix; the message describes the content without naming the file.
    """
    path, lower = Path(path), name.lower()
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
        stream.seek(max(0, path.stat().st_size - 1))
        last = stream.read(1)
    suffix = next((suffix for suffix in _OPENERS if lower.endswith(suffix)), Path(lower).suffix)
    if suffix in _OPENERS:
        good = _begins_as_tar(path, _OPENERS[suffix])
    elif suffix in (".zip", ".npz"):
        good = head.startswith(b"PK") and zipfile.is_zipfile(path)
    elif suffix in (".pth", ".pt", ".ckpt"):
        good = head.startswith(_LEGACY_TORCH) or (head.startswith(b"PK") and zipfile.is_zipfile(path))
    elif suffix == ".safetensors":
        length = int.from_bytes(head[:8], "little")
        good = head[8:9] == b"{" and length <= path.stat().st_size - 8
    elif suffix in (".pkl", ".pickle"):
        good = head[:1] in tuple(map(bytes, zip(_PICKLE_STARTS))) and last == b"." and not _is_page(head)
    elif suffix in _MAGIC:
        good = head.startswith(_MAGIC[suffix])
    elif suffix in _TEXTS:
        good = suffix in (".html", ".xml") or not _is_page(head, json=suffix != ".json")
    else:
        good = not _is_text(head)
    if not good:
        what = "a web page" if _is_page(head) else "text" if _is_text(head) else "something else"
        raise HndescError(f"{what} instead of a {suffix or 'binary'} file (sign-in, consent or quota?)")


def _begins_as_tar(path: Path, open_file: Callable[[Path], Any]) -> bool:
    try:
        with open_file(path) as stream:
            header = stream.read(tarfile.BLOCKSIZE)
        tarfile.TarInfo.frombuf(header, tarfile.ENCODING, "surrogateescape")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return True  # an empty archive
    except (OSError, EOFError, lzma.LZMAError, tarfile.HeaderError, ValueError):
        return False
    return True


def _is_text(head: bytes) -> bool:
    """Return whether the beginning of a file is text (UTF-8, no control characters but line ends and tabs)."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "ignore")
    return len(text.encode()) >= len(head) - 6 and all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)


def _is_page(head: bytes, json: bool = True) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    pages = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body", b"<!--", *((b"{", b"[") if json else ()))
    return start.startswith(pages) and _is_text(head)
