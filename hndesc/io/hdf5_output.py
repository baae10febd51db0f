"""HDF5 files that are written: a full disk is one error, after which the file still closes.

HDF5 crashes when it closes what it could not write. So errors are kept from it: the stream below accepts all data, and
the file raises the first error when it is flushed or closed.
"""

import fcntl
import io
import os
from typing import Any

import h5py


class OutputStream(io.FileIO):
    """A file that accepts all data; after the first error of the system, which it keeps, no data is stored."""

    error: OSError | None = None

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__(os.fspath(path), "r+")
        try:
            self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            super().close()
            raise

    def _lock(self, kind: int) -> None:
        """Lock or unlock the file as HDF5 does those that it opens by name."""
        if os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in ("FALSE", "0"):
            return
        try:
            fcntl.flock(self, kind)
        except BlockingIOError:
            raise
        except OSError:
            pass  # a file system without locks

    def close(self) -> None:
        """Unlock and close the file."""
        if not self.closed:
            self._lock(fcntl.LOCK_UN)  # closing is not enough where a forked process has the file, too
        super().close()

    def write(self, data: Any) -> int:
        """Write all of the data, or keep the error."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Change the size, or keep the error."""
        try:
            if self.error is None:
                super().truncate(size)
        except OSError as error:
            self.error = error
        return self.tell() if size is None else size


class OutputFile(h5py.File):
    """An existing HDF5 file, opened for writing; an OSError of writing is raised by `flush` and `close`."""

    def __init__(self, path: str | os.PathLike, **options: Any) -> None:
        self._stream = OutputStream(path)
        try:
            super().__init__(self._stream, "r+", **options)
        except BaseException:
            self._stream.close()
            raise

    def flush(self) -> None:
        """Write what is kept in memory."""
        super().flush()
        self._check()

    def close(self) -> None:
        """Write what is kept in memory, and close the file."""
        super().close()
        self._stream.close()
        self._check()

    def _check(self) -> None:
        if self._stream.error is not None:
            raise self._stream.error
