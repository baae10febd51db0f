"""One request for a file: redirects within bounds, and an end to a connection that hardly brings anything."""

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
    """How long to try.

    Attributes:
        tries: attempts an address before the next one; one that brought a megabyte more than ever is not counted.
        backoff: seconds before the second attempt; doubled each time, at most a minute.
        timeout: seconds without a byte, or at less than `slowest`, that end an attempt. The time until the file itself
            begins counts.
        slowest: bytes a second.
    """

    tries: int = 5
    backoff: float = 1.0
    timeout: float = 60.0
    slowest: float = 1000.0


class Passing(Exception):
    """What another attempt may cure."""


class Unusable(Exception):
    """Why an address does not give the file."""


class Watch:
    """Ends the connection of an attempt that is too slow, whatever the reading thread waits for.

    A limit on each read alone never ends a server that sends one byte at a time.
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

    def gain(self, count: int) -> None:
        """Count bytes of the file that have arrived."""
        self._gained += count

    def connected(self, connection: socket.socket) -> None:
        """Take note of the connection to end."""
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
    """Yield the answer to a request, whose body is not read yet, and what must be told of the bytes that are read.

    Raises:
        Unusable: a malformed address, one of another scheme, or too many redirects.
        Passing: any failure of the network, also one within the block.
    """
    with Watch(retry_policy) as watch, _session(watch) as session:
        try:
            with _follow(session, address, headers, retry_policy.timeout) as response:
                if watch.slow:  # which http.client takes for the end of the headers
                    raise TimeoutError
                yield response, watch
        except (ValueError, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if watch.slow:
                raise Passing(f"slower than {retry_policy.slowest:g} bytes a second") from None
            kind = Unusable if isinstance(error, ValueError) else Passing  # a ValueError: of the address
            raise kind(_short(error)) from None


def _follow(session: requests.Session, address: str, headers: Mapping[str, str], timeout: float) -> requests.Response:
    for _ in range(MAX_REDIRECTS):
        if urlsplit(address).scheme not in ("http", "https"):
            raise Unusable(f"leads to '{address:.100}', which is no address of http or https")
        response = session.get(address, headers=headers, stream=True, timeout=(timeout, timeout))
        if not response.is_redirect:
            return response
        response.close()
        address = urljoin(address, response.headers["Location"])
    raise Unusable(f"more than {MAX_REDIRECTS} redirects")


def _session(watch: Watch) -> requests.Session:
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(watch))
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Leave redirects to the caller: requests would first read the body of each, however long."""


class _Adapter(HTTPAdapter):
    """Tells a watch of each connection."""

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
    class Watched:
        def connect(self) -> None:
            super().connect()
            watch.connected(self.sock)

    class Plain(HTTPConnectionPool):
        ConnectionCls = type("Connection", (Watched, HTTPConnection), {})

    class Secure(HTTPSConnectionPool):
        ConnectionCls = type("Connection", (Watched, HTTPSConnection), {})

    return {"http": Plain, "https": Secure}


def _short(error: Exception) -> str:
    """Say in a few words what a network library wraps in many."""
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)) is not None:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return " ".join((str(cause) or type(cause).__name__).split())[:200]
