"""Fetching one file: mirrors in order, resume, retries with back-off, size and checksum, a lock, room on the disk.

A file has its name only when it is whole and its checksum agrees; until then it is NAME.part, which an interrupted
download goes on from.
"""

import errno
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from filelock import FileLock, Timeout
from tqdm import tqdm

from hndesc.datasets.checksums import Checksums
from hndesc.datasets.registry import RemoteFile
from hndesc.errors import HndescError
from hndesc.files import write_json
from hndesc.provenance import file_hash

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
_PASSING_STATUS = frozenset({408, 425, 429})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GIGABYTE = 1e9


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes:
        tries: attempts an address before the next one; one that brought a megabyte is not counted.
        backoff: seconds before the second attempt; doubled each time, at most a minute.
        timeout: seconds without a byte, or at less than `slowest`, that end an attempt.
        slowest: bytes a second.
    """

    tries: int = 5
    backoff: float = 1.0
    timeout: float = 60.0
    slowest: float = 1000.0


@dataclass(frozen=True)
class Arrived:
    """A file that is there, whole; `address` is where it came from, empty if it was there already."""

    path: Path
    sha256: str
    address: str = ""


class _Passing(Exception):
    """What another attempt may cure."""


class _Unusable(Exception):
    """Why an address does not give the file."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder, waiting for whoever has it; a process that dies lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("%s: another process is at work on it; waiting", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def download(
    file: RemoteFile,
    folder: Path,
    checksums: Checksums,
    *,
    page: str = "",
    by_hand: str | None = None,
    mirrors: tuple[str, ...] = (),
    patience: Patience | None = None,
) -> Arrived:
    """Fetch a file into a folder, unless it is there.

    Args:
        file: what to fetch.
        folder: where to; files put there by hand are taken after the same checks.
        checksums: what earlier downloads recorded, for files without a published checksum.
        page: for people, named when no address works.
        by_hand: how to get a file that has no address.
        mirrors: addresses of folders that are tried first.
        patience: how long to try.

    Raises:
        HndescError: no address gives the file, it is not the published or recorded one, or the disk is full.
    """
    target = Path(folder) / file.name
    expected, source = file.sha256, "published"
    if expected is None and (expected := checksums.find(file.name)):
        source = f"recorded in {checksums.path}"
    with locked(target):
        if target.is_file():
            return _check_present(target, file, expected, source)
        addresses = [f"{mirror.rstrip('/')}/{file.name}" for mirror in mirrors] + list(file.addresses)
        reasons = []
        for address in addresses:
            try:
                return _Download(address, file, target, expected, source, patience or Patience()).run()
            except _Unusable as error:
                logger.warning("%s: %s", address, error)
                reasons.append(f"{address}: {error}")
    advice = by_hand or "fetch it by hand"
    tried = f"no address gives it ({'; '.join(reasons)})" if reasons else "it has no address"
    raise HndescError(f"{file.name}: {tried}; {advice} from {page or 'its page'}, put it at {target} and run again")


def _check_present(target: Path, file: RemoteFile, expected: str | None, source: str) -> Arrived:
    size, digest = target.stat().st_size, file_hash(target)
    if file.size not in (None, size):
        raise HndescError(f"{target}: has {size} bytes instead of {file.size}; delete it and run again")
    if expected is not None and not digest.startswith(expected):
        raise HndescError(f"{target}: its sha256 {digest} is not the one {source}; delete it and run again")
    return Arrived(target, digest)


class _Download:
    """One file from one address, in as many attempts as it takes."""

    def __init__(
        self, address: str, file: RemoteFile, target: Path, expected: str | None, source: str, patience: Patience
    ) -> None:
        self.address, self.file, self.target = address, file, target
        self.expected, self.source, self.patience = expected, source, patience
        self.part = target.with_name(target.name + ".part")
        self.record = target.with_name(target.name + ".part.json")

    def run(self) -> Arrived:
        """Return the file when it is whole, or raise _Unusable."""
        failures = 0
        while True:
            before = self._held()
            try:
                resumed = self._transfer()
                return self._accept(resumed)
            except _Passing as error:
                failures = 1 if self._held() - before >= CHUNK else failures + 1
                if failures >= self.patience.tries:
                    raise _Unusable(f"{error} ({failures} attempts)") from None
                delay = min(60.0, self.patience.backoff * 2 ** (failures - 1))
                logger.info("%s: %s; again in %g s", self.address, error, delay)
                time.sleep(delay)

    def _held(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)

    def _transfer(self) -> bool:
        """Fetch what is missing; return whether an earlier attempt's bytes are part of it."""
        start, validator = self._resumable()
        headers = {"Accept-Encoding": "identity", "User-Agent": "hndesc"}
        if start:
            headers["Range"] = f"bytes={start}-"
            headers |= {"If-Range": validator} if validator else {}
        timeout = self.patience.timeout
        try:
            with requests.get(self.address, headers=headers, stream=True, timeout=(timeout, timeout)) as response:
                start, total = self._agree(response, start)
                if total is not None and start == total:
                    return True
                self._check_room(start, total)
                self._write(response, start, total)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.TooManyRedirects) as error:
            raise _Unusable(_short(error)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _Passing(_short(error)) from None
        return start > 0

    def _resumable(self) -> tuple[int, str | None]:
        """Return how many bytes need not be fetched again, and what must still hold of the file at the address.

        Without a checksum nothing would notice that the two ends are of different files, unless the server vouches
        for it.
        """
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            record = {}
        validator = record.get("validator") if record.get("address") == self.address else None
        return (self._held(), validator) if self.expected or validator else (0, None)

    def _agree(self, response: requests.Response, start: int) -> tuple[int, int | None]:
        """Return from which byte on the answer gives the file, and the file's length."""
        status = response.status_code
        if status == 206:
            first, total = _content_range(response)
            if first != start:
                self._discard()
                raise _Passing("the server answered with another part of the file")
        elif status == 200:
            start, total = 0, _number(response.headers.get("Content-Length"))
        elif status == 416:
            if start and start == _content_range(response)[1]:
                return start, start
            self._discard()
            raise _Passing("the server does not have the rest of what was begun")
        elif status in _PASSING_STATUS or status >= 500:
            raise _Passing(f"HTTP status {status}")
        else:
            raise _Unusable(f"HTTP status {status}")
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise _Unusable("sent a web page instead of the file (sign-in, consent or quota?)")
        if total is None and "chunked" not in response.headers.get("Transfer-Encoding", "").lower():
            total = self.file.size
            if total is None:
                raise _Unusable("does not tell the file's length, so that a cut could not be noticed")
        if self.file.size is not None and total not in (None, self.file.size):
            raise _Unusable(f"offers {total} bytes instead of {self.file.size}")
        return start, self.file.size if total is None else total

    def _check_room(self, start: int, total: int | None) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if total is not None and total - start > free:
            raise HndescError(
                f"{self.target}: {(total - start) / _GIGABYTE:.3g} GB are to be fetched but {free / _GIGABYTE:.3g} GB "
                "are free; make room and run again"
            )

    def _write(self, response: requests.Response, start: int, total: int | None) -> None:
        headers = response.headers
        etag = headers.get("ETag", "")
        validator = headers.get("Last-Modified") if not etag or etag.startswith("W/") else etag
        try:
            write_json(self.record, {"address": self.address, "validator": validator})
            with (
                open(self.part, "ab" if start else "wb") as stream,
                tqdm(desc=self.file.name, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
            ):
                self._copy(response, stream.write, start, total, bar.update)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            if isinstance(error, requests.RequestException) or error.errno not in _FULL:
                raise
            raise HndescError(
                f"{self.part}: the disk is full ({error.strerror}); make room and run again: it goes on from here"
            ) from None

    def _copy(
        self,
        response: requests.Response,
        write: Callable[[bytes], int],
        held: int,
        total: int | None,
        advance: Callable[[int], object],
    ) -> None:
        since, gained = time.monotonic(), 0
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            if held == 0 and chunk.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
                raise _Unusable("sent a web page instead of the file (sign-in, consent or quota?)")
            held, gained = held + len(chunk), gained + len(chunk)
            if total is not None and held > total:
                self._discard()
                raise _Unusable(f"sends more than the {total} bytes of the file")
            write(chunk)
            advance(len(chunk))
            if (elapsed := time.monotonic() - since) >= self.patience.timeout:
                if gained < self.patience.slowest * elapsed:
                    raise _Passing(f"slower than {self.patience.slowest:g} bytes a second")
                since, gained = time.monotonic(), 0
        if total is not None and held < total:
            raise _Passing(f"the connection was cut at {held} of {total} bytes")

    def _accept(self, resumed: bool) -> Arrived:
        digest = file_hash(self.part)
        if self.expected is not None and not digest.startswith(self.expected):
            self._discard()
            if resumed:  # the two ends may be of different files
                raise _Passing(f"what was put together has sha256 {digest}, not the one {self.source}")
            raise _Unusable(f"sent a file of sha256 {digest}, not the one {self.source}")
        os.replace(self.part, self.target)
        self.record.unlink(missing_ok=True)
        logger.info("%s arrived from %s", self.target, self.address)
        return Arrived(self.target, digest, self.address)


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """Return the first byte and the total of a header like `bytes 5-9/10` or `bytes */10`."""
    part, _, total = response.headers.get("Content-Range", "").removeprefix("bytes").strip().partition("/")
    return _number(part.partition("-")[0]), _number(total)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None


def _short(error: Exception) -> str:
    """Say in a few words what a network library wraps in many."""
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)) is not None:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return " ".join((str(cause) or type(cause).__name__).split())[:200]
