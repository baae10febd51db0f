"""A web server on the loopback that misbehaves on purpose: the first part of a path says how."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUOTA_PAGE = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"


class Server(ThreadingHTTPServer):
    """Serves `files` (name -> bytes) at /<behavior>/<name>; `requests` lists what was asked: (path, Range header)."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.requests: list[tuple[str, str | None]] = []
        self.counts: Counter[str] = Counter()

    def address(self, behavior: str, name: str = "") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{behavior}/{name}".rstrip("/")

    def handle_error(self, request, client_address) -> None:
        """A client that goes away is no news here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        self.server.counts[self.path] += 1
        behavior, _, name = self.path.strip("/").partition("/")
        if name not in self.server.files:
            return self._answer(404, b"no such file")
        self.first = self.server.counts[self.path] == 1
        self.body = self.server.files[name]
        if behavior.isdigit():
            return self._answer(int(behavior), b"<html>no</html>", {"Content-Type": "text/html"})
        return getattr(self, behavior)(name)

    def good(self, name: str) -> None:
        """Honors Range and If-Range."""
        self._serve(ranges=True)

    def no_ranges(self, name: str) -> None:
        self._serve(ranges=False)

    def cut(self, name: str) -> None:
        """The first answer ends in the middle."""
        self._serve(ranges=True, cut=self.first)

    def cut_no_ranges(self, name: str) -> None:
        self._serve(ranges=False, cut=self.first)

    def always_cut(self, name: str) -> None:
        self._serve(ranges=False, cut=True)

    def cut_and_changed(self, name: str) -> None:
        """After the cut there is another file of the same length, honestly announced by its tag."""
        self.body = self.body if self.first else self.body[::-1]
        self._serve(ranges=True, cut=self.first, tag='"old"' if self.first else '"new"')

    def cut_without_tag(self, name: str) -> None:
        """After the cut there is another file of the same length, and nothing tells so."""
        self.body = self.body if self.first else self.body[::-1]
        self._serve(ranges=True, cut=self.first, tag=None)

    def other_range(self, name: str) -> None:
        """Answers a request for a part with another part."""
        if self.first:
            return self._serve(ranges=True, cut=True)
        if self.headers.get("Range") is None:
            return self._serve(ranges=False)
        total = len(self.body)
        return self._answer(206, self.body, {"Content-Range": f"bytes 0-{total - 1}/{total}"})

    def not_satisfiable(self, name: str) -> None:
        if self.headers.get("Range"):
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(self.body)}"})
        return self._serve(ranges=True)

    def wrong(self, name: str) -> None:
        """Another body of the right length."""
        self.body = bytes(byte ^ 1 for byte in self.body)
        self._serve(ranges=True)

    def longer(self, name: str) -> None:
        self.body += b"more"
        self._serve(ranges=True)

    def quota(self, name: str) -> None:
        self._answer(200, QUOTA_PAGE, {"Content-Type": "text/html; charset=utf-8"})

    def quota_in_disguise(self, name: str) -> None:
        self._answer(200, QUOTA_PAGE, {"Content-Type": "application/octet-stream"})

    def flaky(self, name: str) -> None:
        """Fails twice before it serves."""
        if self.server.counts[self.path] <= 2:
            return self._answer(503, b"later")
        return self._serve(ranges=True)

    def redirect(self, name: str) -> None:
        self._answer(302, b"", {"Location": f"/good/{name}"})

    def round_in_circles(self, name: str) -> None:
        self._answer(302, b"", {"Location": f"/round_in_circles/{name}"})

    def drip(self, name: str) -> None:
        self._head(200, {"Content-Length": str(len(self.body))})
        for byte in self.body:
            self.wfile.write(bytes([byte]))
            time.sleep(0.02)

    def silent(self, name: str) -> None:
        self._head(200, {"Content-Length": str(len(self.body))})
        self.wfile.write(self.body[:1])
        self.rfile.read(1)  # until the client goes away
        self.close_connection = True

    def without_length(self, name: str) -> None:
        self._head(200, {"Connection": "close"})
        self.wfile.write(self.body[: len(self.body) // 2])
        self.close_connection = True

    def chunked(self, name: str) -> None:
        self._chunks(whole=True)

    def chunked_cut(self, name: str) -> None:
        self._chunks(whole=False)

    def chunked_longer(self, name: str) -> None:
        self.body += b"more"
        self._chunks(whole=True)

    def compressed_type(self, name: str) -> None:
        """As servers do that call a .tgz a compressed page."""
        self._answer(200, self.body, {"Content-Encoding": "x-gzip", "Content-Type": "application/x-tar"})

    def _chunks(self, whole: bool) -> None:
        self._head(200, {"Transfer-Encoding": "chunked"})
        half = len(self.body) // 2
        for piece in (self.body[:half], self.body[half:])[: 2 if whole else 1]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def _serve(self, *, ranges: bool, cut: bool = False, tag: str | None = '"tag"') -> None:
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        headers = {} if tag is None else {"ETag": tag}
        start, total = 0, len(self.body)
        if ranges and asked and condition in (None, tag):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        body = self.body[start:]
        self._head(206 if start else 200, headers | {"Content-Length": str(len(body))})
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": str(len(body))} | (headers or {}))
        self.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Server]:
    """Serve files while the block runs."""
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
