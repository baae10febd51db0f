"""Fingerprints of files and folders.

Snakemake looks at a folder's own time only, not at what lies below it. Of a file it sees whether it is newer than what
was made of it, not whether it is another one.

A file counts by its name, size, time of the last change and a sample of its content, so one that takes the place of
another is noticed even if its size and time are the same. Copying a folder with its times changes nothing. A sample is
computed again only if the system has recorded a change of any kind (ctime); the others are kept next to Snakemake's
records. Known samples of 100,000 files take a second of processor time, new ones two more.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from hndesc.errors import HndescError
from hndesc.io.files import write_json
from hndesc.runtime.provenance import file_sample, file_state

# Samples by folder, file and `_change`.
RECORD = Path(".snakemake", "hndesc_content.json")
# States by path.
_states: dict[str, str] = {}
# Files whose samples are taken at the same time: on network file systems each takes milliseconds of waiting.
_THREADS = 16


def content_fingerprint(paths: Iterable[str]) -> str:
    """Hash the states of files, and what lies below folders: relative names and states of all files.

    Each path is read once per process. Links are followed, and those that lead back into a parent are not. Hidden files
    are left out, as no step reads them. What does not exist yet counts as nothing.

    Returns:
        16 hexadecimal digits; nothing if none of the paths exists.
    """
    existing = [path for path in paths if os.path.exists(path)]
    for path in existing:
        if path not in _states:
            _states[path] = _state(path)
    digest = hashlib.sha256("\n".join(_states[path] for path in existing).encode())
    return digest.hexdigest()[:16] if existing else ""


def check_unedited() -> None:
    """Refuse files and folders that have changed since this process took their fingerprint.

    Raises:
        HndescError: one has; the message names it.
    """
    for path, state in _states.items():
        if not os.path.exists(path) or _state(path) != state:
            raise HndescError(
                f"{path}: was changed during this run, so results can be of either state; run the same command again"
            )


def _state(path: str) -> str:
    return _folder(path) if os.path.isdir(path) else file_state(path)


def _folder(folder: str) -> str:
    files = list(_files(folder, "", frozenset()))
    samples = _samples(folder, files)
    digest = hashlib.sha256()
    for name, _, found in files:
        if isinstance(found, int):
            state = f"error {found}"
        else:
            state = f"{found.st_size} {found.st_mtime_ns} {samples[name].rpartition(' ')[2]}"
        digest.update(os.fsencode(f"{name}\0{state}\n"))
    return digest.hexdigest()


def _samples(folder: str, files: list[tuple[str, str, os.stat_result | int]]) -> dict[str, str]:
    """Return what is recorded of the files of a folder, their samples last; new ones where something has changed."""
    record = _record()
    before = record.get(folder)
    before = before if isinstance(before, dict) else {}
    after, new = {}, []
    for name, path, found in files:
        if isinstance(found, int):
            continue
        change = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
        known = before.get(name, "")
        if isinstance(known, str) and known.rpartition(" ")[0] == change:
            after[name] = known
        else:
            new.append((name, path, found, change))
    with ThreadPoolExecutor(_THREADS) as pool:
        for part in pool.map(lambda start: [_sample(*one) for one in new[start::_THREADS]], range(_THREADS)):
            after |= part
    if after != before:
        _save(record | {folder: after})
    return after


def _sample(name: str, path: str, found: os.stat_result, change: str) -> tuple[str, str]:
    try:
        sample = file_sample(path, found.st_size) if stat.S_ISREG(found.st_mode) else ""
    except OSError as error:  # no permission, or gone by now: the step that reads it will name it
        return name, f" error-{error.errno}"
    return name, f"{change} {sample}"


def _record() -> dict[str, object]:
    try:
        found = json.loads(RECORD.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _save(record: dict[str, object]) -> None:
    """Keep samples, if Snakemake keeps records here; without them, all are computed again the next time."""
    if RECORD.parent.is_dir():
        with suppress(HndescError, OSError):
            write_json(RECORD, record)


def _files(
    folder: str, prefix: str, parents: frozenset[tuple[int, int]]
) -> Iterator[tuple[str, str, os.stat_result | int]]:
    """Yield relative name, path and status of each file below `folder`, or the number of an error, by name."""
    try:
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        if here in parents:
            return
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:  # no permission, or gone by now: the step that reads it will name it
        yield prefix, folder, error.errno or 0
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _files(entry.path, f"{prefix}{entry.name}/", parents | {here})
        else:
            yield prefix + entry.name, entry.path, _status(entry)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _status(entry: os.DirEntry) -> os.stat_result | int:
    try:
        return entry.stat()
    except OSError as error:  # a link to nothing
        return error.errno or 0
