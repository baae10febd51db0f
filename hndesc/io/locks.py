"""Locks that allow one run at a time to write an output."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hndesc.errors import HndescError

# Seconds to wait for a run that is just ending, and between two tries.
_PATIENCE = 0.5
_PAUSE = 0.05
_HELD = (errno.EACCES, errno.EAGAIN)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Lock an output file or folder while it is written under another name.

    The lock is `.<name>.writing` next to it. The system releases it when its process ends for any reason,
    so the file of a killed run does no harm. On file systems without locks, the file itself is the lock: it names
    process and host, and is taken over when that process is gone from the same host.

    Raises:
        HndescError: another run holds it, or the folder cannot be written to.
    """
    path = Path(path)
    place = lock_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        release = _acquire(place)
    except (BlockingIOError, TimeoutError):
        raise HndescError(
            f"{path}: another run is writing this{_holder(place)}; wait for its end or choose another output"
        ) from None
    except OSError as error:
        raise HndescError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    try:
        yield
    finally:
        release()


def lock_of(path: Path) -> Path:
    """Return the lock of an output."""
    return path.with_name(f".{path.name}.writing")


def _acquire(place: Path) -> Callable[[], None]:
    """Take the lock and return what releases it; a BlockingIOError or TimeoutError where it is held."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return _lock(place)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE)


def _lock(place: Path) -> Callable[[], None]:
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(place, descriptor):  # its holder has removed it meanwhile
            raise BlockingIOError(errno.EAGAIN, "removed")
        if os.fstat(descriptor).st_size and not _holder(place):
            raise HndescError(f"{place}: not a lock, but a file with the name of one; move it away")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{socket.gethostname()}\n".encode(), 0)
    except BaseException as error:
        os.close(descriptor)
        if not isinstance(error, OSError) or error.errno not in (*_HELD, *_NO_LOCKS):
            raise
        if error.errno in _NO_LOCKS:
            return _soft_lock(place)
        raise BlockingIOError(error.errno, error.strerror) from None

    def release() -> None:
        with suppress(OSError):  # a run that has opened it by now notices that it is gone, and makes its own
            place.unlink()
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough where a forked process has it, too
        os.close(descriptor)

    return release


def _is_at(place: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(place))
    except FileNotFoundError:
        return False


def _soft_lock(place: Path) -> Callable[[], None]:
    """Take the lock of a file system without locks, and remove the file made for the other kind."""
    from filelock import SoftFileLock

    lock = SoftFileLock(_marker(place), thread_local=False)
    lock.acquire(timeout=_PATIENCE)

    def release() -> None:
        with suppress(OSError):
            place.unlink()
        lock.release()

    return release


def _marker(place: Path) -> Path:
    return place.with_name(f"{place.name}.soft")


def _holder(place: Path) -> str:
    for record in (_marker(place), place):
        with suppress(OSError, ValueError):
            process, host, *_ = record.read_text(encoding="utf-8").split()
            return f" (process {int(process)} on {host})"
    return ""
