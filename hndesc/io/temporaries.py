"""Temporary files: their names, and the removal of those that killed processes left."""

import hashlib
import os
import re
import socket
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

# Name of the file, host, process, random part, suffix.
_NAME = re.compile(r"\..*-hndesc-([0-9a-f]{8})-(\d{1,10})-[a-z0-9_]{8}(\.[^.]*)?", re.DOTALL)
# Characters of the file's name: a name has 255 bytes at most, and a character up to four.
_SHOWN = 40
# Seconds without a change from which on a file has no writer any more, wherever that ran.
_ABANDONED = 86400
# Folders that this process has cleared.
_cleared: set[str] = set()


def make_temporary(path: Path) -> Path:
    """Make an empty file next to `path`, of the same suffix; leftovers in its folder are removed once a process."""
    folder = str(path.parent)
    if folder not in _cleared:
        _cleared.add(folder)
        _clear(folder)
    handle, name = tempfile.mkstemp(prefix=_prefix(path.stem), suffix=path.suffix, dir=folder)
    os.close(handle)
    return Path(name)


def make_temporary_folder(parent: Path, stem: str) -> Path:
    """Make an empty folder in `parent` whose name `is_temporary`."""
    return Path(tempfile.mkdtemp(prefix=_prefix(stem), dir=parent))


def _prefix(stem: str) -> str:
    return f".{stem[:_SHOWN]}-hndesc-{_host()}-{os.getpid()}-"


def _clear(folder: str) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            if is_leftover(entry.path):
                os.unlink(entry.path)


def is_temporary(name: str) -> bool:
    """Return whether a name is one of `make_temporary` or `make_temporary_folder`."""
    return _NAME.fullmatch(name) is not None


def is_leftover(path: str | os.PathLike) -> bool:
    """Return whether a file is one of `make_temporary` whose process is gone, or has not been changed for a day."""
    found = _NAME.fullmatch(os.path.basename(path))
    if found is None or not os.path.isfile(path) or os.path.islink(path):
        return False
    if found[1] == _host() and not _is_running(int(found[2])):
        return True
    try:
        return time.time() - os.stat(path).st_mtime > _ABANDONED
    except OSError:
        return False


@cache
def _host() -> str:
    """Return eight digits for the host and, where there are containers, the space of process numbers."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()}\n{space}".encode()).hexdigest()[:8]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True
