"""Requests for a file with limited redirects and a minimum transfer speed."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MAX_REDIRECTS = 10


@dataclass(frozen=True)
class RetryPolicy:
    """Limits on attempts, waiting times and transfer speed.

    Attributes:
        tries: attempts per address; an attempt that makes progress of at least a megabyte is not counted.
        backoff: seconds before the second attempt, doubled each time up to a minute.
        timeout: seconds without data, or below the speed `slowest`, after which an attempt is ended. The time until the
            transfer starts is included.
        slowest: minimum speed in bytes per second.
    """

    tries: int = 5
    backoff: float = 1.0
    timeout: float = 60.0
    slowest: float = 1000.0


class TransientFailure(Exception):
    """A failure that another attempt may resolve."""


class PermanentFailure(Exception):
    """The reason why an address does not provide the file."""


class Watch:
    """Ends the connection of an attempt that is too slow, even while the reading thread is blocked.

    A timeout of each read would not end a transfer of one byte at a time.
    """

    def __init__(self, retry_policy: RetryPolicy) -> None:
        self._retry_policy = retry_policy
        self._done, self._gained = threading.Event(), 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._socket: socket.socket | None = None
        self.slow = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def add_bytes(self, count: int) -> None:
        """Add to the number of received bytes."""
        self._gained += count

    def connected(self, connection: socket.socket) -> None:
        """Register the connection to end."""
        self._socket = connection
        if self.slow:
            self._end()

    def _run(self) -> None:
        before = 0
        while not self._done.wait(self._retry_policy.timeout):
            if self._gained - before < self._retry_policy.slowest * self._retry_policy.timeout:
                self.slow = True
                self._end()
                return
            before = self._gained

    def _end(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@contextmanager
def opened(
    address: str, headers: Mapping[str, str], retry_policy: RetryPolicy
) -> Iterator[tuple[requests.Response, Watch]]:
    """Yield the response to a request, whose body is not read yet, and the watch that counts received bytes.

    Raises:
        PermanentFailure: the address is malformed or has another scheme, or there are too many redirects.
        TransientFailure: the network failed, possibly within the block.
    """
    with Watch(retry_policy) as watch, _session(watch) as session:
        try:
            with _follow(session, address, headers, retry_policy.timeout) as response:
                if watch.slow:  # http.client takes this for the end of the headers
                    raise TimeoutError
                yield response, watch
        except (ValueError, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if watch.slow:
                raise TransientFailure(f"slower than {retry_policy.slowest:g} bytes per second") from None
            kind = (
                PermanentFailure if isinstance(error, ValueError) else TransientFailure
            )  # ValueErrors are about the address
            raise kind(_root_cause(error)) from None


def _follow(session: requests.Session, address: str, headers: Mapping[str, str], timeout: float) -> requests.Response:
    for _ in range(MAX_REDIRECTS):
        if urlsplit(address).scheme not in ("http", "https"):
            raise PermanentFailure(f"redirects to '{address:.100}', which is not an http or https address")
        response = session.get(address, headers=headers, stream=True, timeout=(timeout, timeout))
        if not response.is_redirect:
            return response
        response.close()
        address = urljoin(address, response.headers["Location"])
    raise PermanentFailure(f"more than {MAX_REDIRECTS} redirects")


def _session(watch: Watch) -> requests.Session:
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(watch))
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Leave redirects to the caller, since requests would read the whole body of each."""


class _Adapter(HTTPAdapter):
    """Registers each connection with a watch."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._watch)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.PoolManager:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _pools(self._watch)
        return manager


def _pools(watch: Watch) -> dict[str, type[HTTPConnectionPool]]:
    class PlainConnection(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watch.connected(self.sock)

    class SecureConnection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watch.connected(self.sock)

    class Plain(HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class Secure(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Plain, "https": Secure}


def _root_cause(error: Exception) -> str:
    """Return the innermost message of nested network errors."""
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)) is not None:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return " ".join((str(cause) or type(cause).__name__).split())[:200]
