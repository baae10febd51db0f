"""One run at a time on an output: features, matches, stylized copies, the state of a training."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout, UnixFileLock

from hndesc.errors import HndescError

# Seconds to wait for a run that is just ending.
_PATIENCE = 0.5
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Hold an output, file or folder, that is filled under another name.

    The lock is `.<name>.writing` beside the output. The system releases it when its process ends, however that happens,
    so a file that a killed run left does no harm. On file systems without locks, the file itself is the lock: it names
    process and host, and is taken over when that process is gone from the same host.

    Raises:
        HndescError: another run holds it, or the folder cannot be written to.
    """
    path = Path(path)
    place = lock_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquire(place)
    except Timeout:
        raise HndescError(
            f"{path}: another run is writing this{_holder(place)}; wait for its end or choose another output"
        ) from None
    except OSError as error:
        raise HndescError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    ours = not isinstance(lock, UnixFileLock) or not place.stat().st_size or bool(_holder(place))
    try:
        if not ours:
            raise HndescError(f"{place}: not a lock, but a file with the name of one; move it away")
        if isinstance(lock, UnixFileLock):
            place.write_text(f"{os.getpid()}\n{socket.gethostname()}\n", encoding="utf-8")
        yield
    finally:
        if ours:
            with suppress(OSError):  # a run that has opened it by now notices that it is gone, and makes its own
                place.unlink()
        lock.release()


def lock_of(path: Path) -> Path:
    """Return the lock of an output."""
    return path.with_name(f".{path.name}.writing")


def _acquire(place: Path) -> BaseFileLock:
    lock: BaseFileLock = FileLock(place, thread_local=False)
    try:
        lock.acquire(timeout=_PATIENCE)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        # `FileLock` does the same where there are no locks at all. The file that it made is not to be mistaken for one.
        lock = SoftFileLock(_marker(place), thread_local=False)
        lock.acquire(timeout=_PATIENCE)
    return lock


def _marker(place: Path) -> Path:
    return place.with_name(f"{place.name}.soft")


def _holder(place: Path) -> str:
    for record in (_marker(place), place):
        with suppress(OSError, ValueError):
            process, host, *_ = record.read_text(encoding="utf-8").split()
            return f" (process {int(process)} on {host})"
    return ""
