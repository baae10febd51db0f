"""Sequential reading of a tar archive with bounded memory for headers.

Python's tarfile reads extended headers of any declared length, follows chains of them, and seeks back if a size is
negative.
"""

import bz2
import gzip
import lzma
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MAX_HEADER = 1_000_000
MAX_TAIL = 64_000_000
_XZ_MEMORY = 300_000_000
_CHUNK = 1 << 20
_MAGIC = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
_XZ = b"\xfd7zXZ\0"


class TarStream:
    """The regular files and folders of an archive, in their order.

    Args:
        stream: uncompressed archive.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self._position, self._left, self._last = stream, 0, MAX_HEADER, b""
        self._unread = 0

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield the header of each member; unread data of the previous member is skipped.

        Raises:
            tarfile.TarError, ValueError, OSError, EOFError: the archive is broken.
        """
        source: Any = self  # it has what tarfile uses of a file, and no more
        with tarfile.open(fileobj=source, mode="r:") as opened:
            for info in opened:
                opened.members = []  # type: ignore[attr-defined]  # tarfile would keep every header
                opened.pax_headers = {}
                self._unread = info.size
                yield info
                self._left = MAX_HEADER
        if self._last.strip(b"\0"):
            raise ValueError(f"a damaged header before byte {self._position}")
        # Read to the end, since the checksum of a compressed stream follows the tar archive.
        tail = 0
        while tail < MAX_TAIL and (data := self._stream.read(_CHUNK)):
            tail += len(data)

    def data(self, size: int) -> bytes:
        """Read the next bytes of the current member."""
        data = self._stream.read(min(size, self._unread))
        self._position += len(data)
        self._unread -= len(data)
        return data

    # The file interface used by tarfile.
    def tell(self) -> int:
        """Return the number of bytes read."""
        return self._position

    def seek(self, position: int) -> None:
        """Skip forward to a position."""
        if position < self._position:
            raise ValueError("a member begins within another")
        while self._position < position:
            data = self._stream.read(min(_CHUNK, position - self._position))
            if not data:
                break
            self._position += len(data)

    def read(self, size: int) -> bytes:
        """Read a part of the headers."""
        self._left -= size
        if size < 0 or self._left < 0:
            raise ValueError(f"a header of more than {MAX_HEADER} bytes")
        self._last = self._stream.read(size)
        self._position += len(self._last)
        return self._last


class _Xz:
    """A decompressor with bounded memory; `lzma.open` allocates as much as the file declares."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self._data = raw, b""
        self._decompressor = self._fresh()

    def _fresh(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int) -> bytes:
        pieces = []
        while size > 0:
            if self._decompressor.eof:
                rest = (self._decompressor.unused_data or self._raw.read(_CHUNK)).lstrip(b"\0")
                if not rest:
                    break
                self._decompressor, self._data = self._fresh(), rest
            elif self._decompressor.needs_input:
                self._data = self._raw.read(_CHUNK)
                if not self._data:
                    raise EOFError("the compressed data is truncated")
            piece = self._decompressor.decompress(self._data, size)
            self._data = b""
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


@contextmanager
def open_tar(path: str | os.PathLike) -> Iterator[TarStream]:
    """Open a tar archive, possibly compressed by gzip, bzip2 or xz."""
    with open(Path(path), "rb") as raw:
        magic = raw.read(len(_XZ))
        raw.seek(0)
        if magic == _XZ:
            yield TarStream(_Xz(raw))
            return
        opener: Any = next((opener for start, opener in _MAGIC.items() if magic.startswith(start)), None)
        if opener is None:
            yield TarStream(raw)
        else:
            with opener(raw) as stream:
                yield TarStream(stream)
