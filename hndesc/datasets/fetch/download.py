"""Download of a file with mirrors, resuming, retries with back-off, size and checksum tests, locking, disk checks.

A file gets its name when it is complete and its checksum matches. Until then it is named NAME.part, from which an
interrupted download resumes.
"""

import json
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from hndesc.datasets.fetch.checksums import Checksums
from hndesc.datasets.fetch.connection import PermanentFailure, RetryPolicy, TransientFailure, Watch, opened
from hndesc.datasets.fetch.contents import check_content
from hndesc.datasets.fetch.registry import RemoteFile
from hndesc.datasets.fetch.responses import check_kind, content_range, file_properties, number, read_chunk
from hndesc.errors import HndescError
from hndesc.io.files import check_output_file, is_full_disk_error, write_json
from hndesc.runtime.provenance import file_hash

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
_TRANSIENT_STATUS = frozenset({408, 425, 429})
_GIGABYTE = 1e9


@dataclass(frozen=True)
class DownloadedFile:
    """A complete file; `address` is its source, empty if it already existed."""

    path: Path
    sha256: str
    address: str = ""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder, waiting for other processes; it is released if the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("%s: locked by another process; waiting", path)
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
) -> DownloadedFile:
    """Download a file into a folder, unless it exists.

    Args:
        file: file to download.
        folder: target folder; files put there manually are accepted after the same checks.
        checksums: recorded checksums, for files without a published one.
        page: web page named in the error message if no address works.
        by_hand: instructions for a file without address.
        mirrors: addresses of folders that are tried first.
        retry_policy: limits on attempts.

    Raises:
        HndescError: no address provides the file, its size or checksum does not match, or the disk is full.
    """
    target = Path(folder) / file.name
    expected, source = file.sha256, "published"
    if expected is None and (expected := checksums.find(file.name)):
        source = f"recorded in {checksums.path}"
    with locked(target):
        if target.is_file():
            return _check_present(target, file, expected, source)
        target = check_output_file(target)
        addresses = [f"{mirror.rstrip('/')}/{file.name}" for mirror in mirrors] + list(file.addresses)
        reasons = []
        for address in addresses:
            try:
                return _Download(address, file, target, expected, source, retry_policy or RetryPolicy()).run()
            except PermanentFailure as error:
                logger.warning("%s: %s", address, error)
                reasons.append(f"{address}: {error}")
    advice = by_hand or "download it manually"
    tried = f"no address provides it ({'; '.join(reasons)})" if reasons else "it has no address"
    raise HndescError(f"{file.name}: {tried}; {advice} from {page or 'its page'}, save it as {target} and run again")


def _check_present(target: Path, file: RemoteFile, expected: str | None, source: str) -> DownloadedFile:
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
    return DownloadedFile(target, digest)


class _Download:
    """The download of one file from one address, with repeated attempts."""

    def __init__(
        self, address: str, file: RemoteFile, target: Path, expected: str | None, source: str, retry_policy: RetryPolicy
    ) -> None:
        self.address, self.file, self.target = address, file, target
        self.expected, self.source, self.retry_policy = expected, source, retry_policy
        self.part = target.with_name(target.name + ".part")
        self.record = target.with_name(target.name + ".part.json")

    def run(self) -> DownloadedFile:
        """Return the file when it is complete, or raise a PermanentFailure."""
        self._check_own()
        failures, most = 0, self._bytes_present()
        while True:
            try:
                resumed = self._transfer()
                return self._accept(resumed)
            except TransientFailure as error:
                # Downloading discarded bytes again is no progress, to guarantee termination.
                failures = 1 if self._bytes_present() - most >= CHUNK else failures + 1
                most = max(most, self._bytes_present())
                if failures >= self.retry_policy.tries:
                    raise PermanentFailure(f"{error} ({failures} attempts)") from None
                delay = min(60.0, self.retry_policy.backoff * 2 ** (failures - 1))
                logger.info("%s: %s; next attempt in %g s", self.address, error, delay)
                time.sleep(delay)

    def _check_own(self) -> None:
        """Refuse to write or delete files of the derived names that no download left: a part has its record first."""
        ours = _read_record(self.record) is not None
        for path in (self.record, self.part):
            if os.path.lexists(path) and not (ours and stat.S_ISREG(path.lstat().st_mode)):
                raise HndescError(f"{path}: exists and is no download of hndesc; move it away and run again")

    def _bytes_present(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)

    def _transfer(self) -> bool:
        """Download the missing bytes; return whether bytes of an earlier attempt were reused."""
        start, record = self._resumable()
        headers = {"Accept-Encoding": "identity", "User-Agent": "hndesc"}
        if start:
            headers["Range"] = f"bytes={start}-"
            headers |= {"If-Range": record["validator"]} if record else {}
        with opened(self.address, headers, self.retry_policy) as (response, watch):
            start, total = self._check_response(response, start, record)
            if start != total:
                self._check_room(start, total)
                self._write(response, start, total, watch)
        return start > 0

    def _resumable(self) -> tuple[int, dict[str, Any]]:
        """Return the number of bytes that can be reused, and the recorded properties of their file.

        Without a checksum, parts of two different files could be joined unnoticed, unless the server provides a
        validator.
        """
        record = _read_record(self.record) or {}
        if record.get("address") != self.address:
            record = {}
        validator = record.get("validator")
        validated = isinstance(validator, str) and validator.isprintable() and bool(validator)
        if not validated:
            record = {}
        return (self._bytes_present(), record) if self.expected or validated else (0, {})

    def _check_response(
        self, response: requests.Response, start: int, record: Mapping[str, Any]
    ) -> tuple[int, int | None]:
        """Return the position at which the response starts, and the length of the file."""
        status = response.status_code
        if status in (206, 416):
            first, total = content_range(response)
            self._check_same(response, total, record if start else {})
            if status == 416 and start and start == total:
                return start, total
            if status == 416 or first != start:
                self._discard()
                raise TransientFailure("the server sent another part of the file")
        elif status == 200:
            start, total = 0, number(response.headers.get("Content-Length"))
        elif status in _TRANSIENT_STATUS or status >= 500:
            raise TransientFailure(f"HTTP status {status}")
        else:
            raise PermanentFailure(f"HTTP status {status}")
        check_kind(response, self.file.name, known=self.expected is not None)
        if total is None and "chunked" not in response.headers.get("Transfer-Encoding", "").lower():
            total = self.file.size
            if total is None:
                raise PermanentFailure(
                    "the server does not report the length of the file, so truncation could not be detected"
                )
        if total == 0:
            raise PermanentFailure("the file is empty")
        if self.file.size is not None and total not in (None, self.file.size):
            raise PermanentFailure(f"the file has {total} bytes instead of {self.file.size}")
        return start, self.file.size if total is None else total

    def _check_same(self, response: requests.Response, total: int | None, record: Mapping[str, Any]) -> None:
        """Check that the remaining bytes belong to the same file, since servers may ignore If-Range."""
        now = file_properties(response, total)
        # With a checksum only the length counts, since mirrors behind one address can have different entity tags.
        keys = ("total",) if self.expected or response.status_code == 416 else ("total", "etag", "modified")
        if any(record.get(key) not in (None, now[key]) for key in keys):
            self._discard()
            raise TransientFailure("the file at the address has changed since the download started")

    def _check_room(self, start: int, total: int | None) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if total is not None and total - start > free:
            raise HndescError(
                f"{self.target}: {(total - start) / _GIGABYTE:.3g} GB are needed, but only {free / _GIGABYTE:.3g} GB "
                "are free; free some space and run again"
            )

    def _write(self, response: requests.Response, start: int, total: int | None, watch: Watch) -> None:
        properties = file_properties(response, total)
        validator = (
            properties["modified"]
            if not properties["etag"] or properties["etag"].startswith("W/")
            else properties["etag"]
        )
        try:
            write_json(self.record, {"address": self.address, "validator": validator, **properties})
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
            if not is_full_disk_error(error):
                raise HndescError(f"{self.part}: cannot be written ({error.strerror or error})") from None
            raise HndescError(
                f"{self.part}: the disk is full ({error.strerror}); free some space and run again to resume"
            ) from None

    def _chunks(self, response: requests.Response, held: int, total: int | None, watch: Watch) -> Iterator[bytes]:
        room = shutil.disk_usage(self.target.parent).free * 9 // 10
        while chunk := read_chunk(response, CHUNK):
            watch.add_bytes(len(chunk))
            if held == 0 and chunk.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
                raise PermanentFailure("the server sent a web page instead of the file (sign-in, consent or quota?)")
            held += len(chunk)
            if total is not None and held > total:
                self._discard()
                raise PermanentFailure(f"the server sent more than the {total} bytes of the file")
            if total is None and held > room:
                self._discard()
                raise HndescError(
                    f"{self.target}: {self.address} reports no length and has sent {held} bytes; "
                    "free some space and run again, or set the size of the file in the registry"
                )
            yield chunk
        if watch.slow:
            raise TransientFailure(f"slower than {self.retry_policy.slowest:g} bytes per second")
        if total is not None and held < total:
            raise TransientFailure(f"the connection was closed after {held} of {total} bytes")

    def _accept(self, resumed: bool) -> DownloadedFile:
        digest = file_hash(self.part)
        if self.expected is not None and not digest.startswith(self.expected):
            self._discard()
            if resumed:  # the parts may belong to different files
                raise TransientFailure(f"the resumed file has sha256 {digest}, not the one {self.source}")
            raise PermanentFailure(f"the file has sha256 {digest}, not the one {self.source}")
        if self.expected is None:
            try:
                check_content(self.part, self.file.name)
            except HndescError as error:
                self._discard()
                raise PermanentFailure(
                    f"the server sent {error}; if the file is correct, set its sha256 in the registry"
                ) from None
        os.replace(self.part, self.target)
        self.record.unlink(missing_ok=True)
        logger.info("%s downloaded from %s", self.target, self.address)
        return DownloadedFile(self.target, digest, self.address)


def _read_record(path: Path) -> dict[str, Any] | None:
    """Return the properties of a file whose download began; None where no download wrote such a record."""
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and "address" in record else None
