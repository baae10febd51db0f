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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from hndesc.datasets.fetch.answers import check_kind, content_range, number, read_arrived, told_of
from hndesc.datasets.fetch.checksums import Checksums
from hndesc.datasets.fetch.connection import Passing, RetryPolicy, Unusable, Watch, opened
from hndesc.datasets.fetch.contents import check_content
from hndesc.datasets.fetch.registry import RemoteFile
from hndesc.errors import HndescError
from hndesc.io.files import write_json
from hndesc.runtime.provenance import file_hash

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
_PASSING_STATUS = frozenset({408, 425, 429})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GIGABYTE = 1e9


@dataclass(frozen=True)
class Arrived:
    """A file that is there, whole; `address` is where it came from, empty if it was there already."""

    path: Path
    sha256: str
    address: str = ""


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
    retry_policy: RetryPolicy | None = None,
) -> Arrived:
    """Fetch a file into a folder, unless it is there.

    Args:
        file: what to fetch.
        folder: where to; files put there by hand are taken after the same checks.
        checksums: what earlier downloads recorded, for files without a published checksum.
        page: for people, named when no address works.
        by_hand: how to get a file that has no address.
        mirrors: addresses of folders that are tried first.
        retry_policy: how long to try.

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
                return _Download(address, file, target, expected, source, retry_policy or RetryPolicy()).run()
            except Unusable as error:
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
    if expected is None:
        try:
            check_content(target, file.name)
        except HndescError as error:
            raise HndescError(f"{target}: is {error}; delete it and run again") from None
    return Arrived(target, digest)


class _Download:
    """One file from one address, in as many attempts as it takes."""

    def __init__(
        self, address: str, file: RemoteFile, target: Path, expected: str | None, source: str, retry_policy: RetryPolicy
    ) -> None:
        self.address, self.file, self.target = address, file, target
        self.expected, self.source, self.retry_policy = expected, source, retry_policy
        self.part = target.with_name(target.name + ".part")
        self.record = target.with_name(target.name + ".part.json")

    def run(self) -> Arrived:
        """Return the file when it is whole, or raise Unusable."""
        failures, most = 0, self._held()
        while True:
            try:
                resumed = self._transfer()
                return self._accept(resumed)
            except Passing as error:
                # What is fetched once more after it was discarded is no progress: that could go on for ever.
                failures = 1 if self._held() - most >= CHUNK else failures + 1
                most = max(most, self._held())
                if failures >= self.retry_policy.tries:
                    raise Unusable(f"{error} ({failures} attempts)") from None
                delay = min(60.0, self.retry_policy.backoff * 2 ** (failures - 1))
                logger.info("%s: %s; again in %g s", self.address, error, delay)
                time.sleep(delay)

    def _held(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)

    def _transfer(self) -> bool:
        """Fetch what is missing; return whether an earlier attempt's bytes are part of it."""
        start, record = self._resumable()
        headers = {"Accept-Encoding": "identity", "User-Agent": "hndesc"}
        if start:
            headers["Range"] = f"bytes={start}-"
            headers |= {"If-Range": record["validator"]} if record else {}
        with opened(self.address, headers, self.retry_policy) as (response, watch):
            start, total = self._agree(response, start, record)
            if start != total:
                self._check_room(start, total)
                self._write(response, start, total, watch)
        return start > 0

    def _resumable(self) -> tuple[int, dict[str, Any]]:
        """Return how many bytes need not be fetched again, and what was told of the file that they are of.

        Without a checksum nothing would notice that the two ends are of different files, unless the server vouches
        for it.
        """
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            record = {}
        if not isinstance(record, dict) or record.get("address") != self.address:
            record = {}
        validator = record.get("validator")
        vouched = isinstance(validator, str) and validator.isprintable() and bool(validator)
        if not vouched:
            record = {}
        return (self._held(), record) if self.expected or vouched else (0, {})

    def _agree(self, response: requests.Response, start: int, record: Mapping[str, Any]) -> tuple[int, int | None]:
        """Return from which byte on the answer gives the file, and the file's length."""
        status = response.status_code
        if status in (206, 416):
            first, total = content_range(response)
            self._check_same(response, total, record if start else {})
            if status == 416 and start and start == total:
                return start, total
            if status == 416 or first != start:
                self._discard()
                raise Passing("the server answered with another part of the file")
        elif status == 200:
            start, total = 0, number(response.headers.get("Content-Length"))
        elif status in _PASSING_STATUS or status >= 500:
            raise Passing(f"HTTP status {status}")
        else:
            raise Unusable(f"HTTP status {status}")
        check_kind(response, self.file.name, known=self.expected is not None)
        if total is None and "chunked" not in response.headers.get("Transfer-Encoding", "").lower():
            total = self.file.size
            if total is None:
                raise Unusable("does not tell the file's length, so that a cut could not be noticed")
        if total == 0:
            raise Unusable("offers an empty file")
        if self.file.size is not None and total not in (None, self.file.size):
            raise Unusable(f"offers {total} bytes instead of {self.file.size}")
        return start, self.file.size if total is None else total

    def _check_same(self, response: requests.Response, total: int | None, record: Mapping[str, Any]) -> None:
        """Make sure that the rest is of the file that was begun: servers may ignore If-Range."""
        now = told_of(response, total)
        # With a checksum only the length counts: the servers behind one address may tag the same file differently.
        keys = ("total",) if self.expected or response.status_code == 416 else ("total", "etag", "modified")
        if any(record.get(key) not in (None, now[key]) for key in keys):
            self._discard()
            raise Passing("the file at the address has changed since it was begun")

    def _check_room(self, start: int, total: int | None) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if total is not None and total - start > free:
            raise HndescError(
                f"{self.target}: {(total - start) / _GIGABYTE:.3g} GB are to be fetched but {free / _GIGABYTE:.3g} GB "
                "are free; make room and run again"
            )

    def _write(self, response: requests.Response, start: int, total: int | None, watch: Watch) -> None:
        told = told_of(response, total)
        validator = told["modified"] if not told["etag"] or told["etag"].startswith("W/") else told["etag"]
        try:
            write_json(self.record, {"address": self.address, "validator": validator, **told})
            with (
                open(self.part, "ab" if start else "wb") as stream,
                tqdm(desc=self.file.name, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
            ):
                for chunk in self._chunks(response, start, total, watch):
                    stream.write(chunk)
                    bar.update(len(chunk))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            if error.errno not in _FULL:
                raise HndescError(f"{self.part}: cannot be written ({error.strerror or error})") from None
            raise HndescError(
                f"{self.part}: the disk is full ({error.strerror}); make room and run again: it goes on from here"
            ) from None

    def _chunks(self, response: requests.Response, held: int, total: int | None, watch: Watch) -> Iterator[bytes]:
        room = shutil.disk_usage(self.target.parent).free * 9 // 10
        while chunk := read_arrived(response, CHUNK):
            watch.gain(len(chunk))
            if held == 0 and chunk.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
                raise Unusable("sent a web page instead of the file (sign-in, consent or quota?)")
            held += len(chunk)
            if total is not None and held > total:
                self._discard()
                raise Unusable(f"sends more than the {total} bytes of the file")
            if total is None and held > room:
                self._discard()
                raise HndescError(
                    f"{self.target}: {self.address} announces no length and has sent {held} bytes already; "
                    "make room and run again, or give the file's size in the registry"
                )
            yield chunk
        if watch.slow:
            raise Passing(f"slower than {self.retry_policy.slowest:g} bytes a second")
        if total is not None and held < total:
            raise Passing(f"the connection was cut at {held} of {total} bytes")

    def _accept(self, resumed: bool) -> Arrived:
        digest = file_hash(self.part)
        if self.expected is not None and not digest.startswith(self.expected):
            self._discard()
            if resumed:  # the two ends may be of different files
                raise Passing(f"what was put together has sha256 {digest}, not the one {self.source}")
            raise Unusable(f"sent a file of sha256 {digest}, not the one {self.source}")
        if self.expected is None:
            try:
                check_content(self.part, self.file.name)
            except HndescError as error:
                self._discard()
                raise Unusable(f"sent {error}; if the file is right, give its sha256 in the registry") from None
        os.replace(self.part, self.target)
        self.record.unlink(missing_ok=True)
        logger.info("%s arrived from %s", self.target, self.address)
        return Arrived(self.target, digest, self.address)
