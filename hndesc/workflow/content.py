"""Fingerprints of folders: Snakemake looks at a folder's own time only, not at what lies below it."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache


def folders_fingerprint(folders: Iterable[str]) -> str:
    """Hash what lies below the folders: relative names, sizes and modification times of all files.

    Links are followed, and those that lead back into a parent are not. Hidden files are left out, as no step reads
    them. A folder that does not exist yet counts as nothing. Each folder is read once per process.

    Returns:
        16 hexadecimal digits; nothing if none of the folders exists.
    """
    existing = [folder for folder in folders if os.path.isdir(folder)]
    return hashlib.sha256("\n".join(map(_folder, existing)).encode()).hexdigest()[:16] if existing else ""


@cache
def _folder(folder: str) -> str:
    digest = hashlib.sha256()
    for line in _lines(folder, "", frozenset()):
        digest.update(os.fsencode(line))
    return digest.hexdigest()


def _lines(folder: str, prefix: str, parents: frozenset[tuple[int, int]]) -> Iterator[str]:
    """Yield a line for each file below `folder`, in the order of the names."""
    try:
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        if here in parents:
            return
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:  # no permission, or gone by now: the step that reads it will name it
        yield f"{prefix}\0{error.errno}\n"
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _lines(entry.path, f"{prefix}{entry.name}/", parents | {here})
        else:
            yield f"{prefix}{entry.name}\0{_state(entry)}\n"


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _state(entry: os.DirEntry) -> str:
    try:
        status = entry.stat()
    except OSError as error:  # a link to nothing
        return f"error {error.errno}"
    return f"{status.st_size} {status.st_mtime_ns}"
