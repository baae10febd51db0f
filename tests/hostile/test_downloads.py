"""Servers that send other files, pages in place of files, nothing, too much, or one byte at a time."""

import gzip
import hashlib
import io
import os
import pickle
import socket
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.fetch.checksums import Checksums
from hndesc.datasets.fetch.contents import check_content
from hndesc.datasets.fetch.download import RetryPolicy, download
from hndesc.datasets.fetch.install import get_dataset
from hndesc.datasets.fetch.registry import RemoteFile
from hndesc.errors import HndescError
from tests.hostile.guard import refusal

OLD = hashlib.shake_256(b"old").digest(3_000_000)
NEW = hashlib.shake_256(b"new").digest(3_000_000)
QUICK = RetryPolicy(tries=3, backoff=0, timeout=10)
IMPATIENT = RetryPolicy(tries=2, backoff=0, timeout=0.3, slowest=1000)
Answer = Callable[["Peer"], None]


class Peer:
    """One connection: `request` is what the client asked, `number` counts connections from 0."""

    def __init__(self, connection: socket.socket, number: int, closing: threading.Event) -> None:
        self.connection, self.number, self._closing = connection, number, closing
        self.request = b""
        while b"\r\n\r\n" not in self.request and (data := connection.recv(65536)):
            self.request += data

    @property
    def start(self) -> int:
        """The first byte asked for."""
        _, found, rest = self.request.partition(b"Range: bytes=")
        return int(rest.partition(b"-")[0]) if found else 0

    def send(self, head: str, body: bytes = b"") -> None:
        self.connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" * bool(head) + body)

    def drip(self, data: bytes) -> None:
        """Send the same data again and again until the client is gone."""
        while not self._closing.wait(0.01):
            self.connection.sendall(data)

    def flood(self, data: bytes) -> None:
        while not self._closing.is_set():
            self.connection.sendall(data)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Serve an answer on a port of its own; the address goes without a name."""
    closing, listeners, threads = threading.Event(), [], []

    def talk(connection: socket.socket, number: int, answer: Answer) -> None:
        with connection, suppress(OSError):
            answer(Peer(connection, number, closing))

    def listen(listener: socket.socket, answer: Answer) -> None:
        number = 0
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=talk, args=(connection, number, answer), daemon=True))
                threads[-1].start()
                number += 1

    def start(answer: Answer) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threads.append(threading.Thread(target=listen, args=(listener, answer), daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    closing.set()
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def fetch(
    folder: Path, addresses: tuple[str, ...], name: str, sha256: str | None = None, retry_policy: RetryPolicy = QUICK
) -> bytes:
    file = RemoteFile(name, tuple(f"{address}/{name}" for address in addresses), sha256=sha256)
    return download(file, folder, Checksums(folder / "sums.tsv"), retry_policy=retry_policy).path.read_bytes()


def whole(body: bytes, headers: str = "") -> Answer:
    return lambda peer: peer.send(f"HTTP/1.1 200 OK\nContent-Length: {len(body)}\nConnection: close{headers}", body)


def changed(first: str, second: str, body: bytes = NEW) -> Answer:
    """Serve half of the old file; asked for the rest, give that of the new one whatever If-Range says."""

    def answer(peer: Peer) -> None:
        if peer.number == 0:
            peer.send(f"HTTP/1.1 200 OK\nContent-Length: {len(OLD)}\n{first}", OLD[: len(OLD) // 2])
        elif start := peer.start:
            head = f"HTTP/1.1 206 Partial\nContent-Range: bytes {start}-{len(body) - 1}/{len(body)}\n{second}"
            peer.send(f"{head}\nContent-Length: {len(body) - start}", body[start:])
        else:
            whole(body, f"\n{second}")(peer)

    return answer


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "length"),
    [
        ('ETag: "a"', 'ETag: "b"', 3_000_000),
        ('ETag: "a"', "X-None: 1", 3_000_000),
        ('ETag: "a"', 'ETag: W/"a"', 3_000_000),
        ('ETag: "a"\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT', 'ETag: "a"', 3_000_000),
        ("Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", "Last-Modified: Tue, 02 Jan 2024 00:00:00 GMT", 3_000_000),
        ("Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", 'ETag: "b"', 3_000_000),
        ('ETag: "a"', 'ETag: "a"', 2_900_000),
        ('ETag: W/"a"', 'ETag: W/"a"', 3_000_000),
        ("X-None: 1", "X-None: 1", 3_000_000),
    ],
)
def test_two_files_are_never_mixed(serve, tmp_path: Path, first: str, second: str, length: int, known: bool) -> None:
    body = NEW[:length]
    sha256 = hashlib.sha256(body).hexdigest() if known else None
    assert fetch(tmp_path, (serve(changed(first, second, body)),), "x.bin", sha256) == body


PAGES = {
    "html": b"<!DOCTYPE html><html><body>Quota exceeded</body></html>",
    "indented html": b"\n\n\t <HTML><body>Sign in</body></html>",
    "html after a mark": b"\xef\xbb\xbf<html>Quota</html>",
    "xhtml": b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><p>Quota</p></html>',
    "json": b'{"error": {"code": 403, "message": "Rate limit exceeded"}}',
    "text": b"Quota exceeded. Please try again later.\n",
    "text in another language": "Контингент превышен\n".encode(),
    "long text": b"Too many users have viewed this file recently. " * 1000,
    "git pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
}
NAMES = (
    "w.pth",
    "w.pt",
    "w.ckpt",
    "w.safetensors",
    "w.npz",
    "w.npy",
    "a.zip",
    "a.tar",
    "a.tar.gz",
    "a.tgz",
    "a.tar.bz2",
)
NAMES += ("a.tar.xz", "gnd.pkl", "r.mat", "f.h5", "d.db", "p.jpg", "p.png", "model.bin", "model")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_no_file(serve, tmp_path: Path, page: str) -> None:
    for number, kind in enumerate(("application/octet-stream", "text/plain", "application/json", "")):
        address = serve(whole(PAGES[page], f"\nContent-Type: {kind}"))
        name = NAMES[number]
        with pytest.raises(HndescError, match="instead of"):
            fetch(tmp_path, (address,), name)
        assert not (tmp_path / name).exists()
    for name in NAMES:
        (tmp_path / name).write_bytes(PAGES[page])
        with pytest.raises(HndescError, match=r"instead of a .* file"):
            check_content(tmp_path / name, name)
        with pytest.raises(HndescError, match="delete it"):
            download(RemoteFile(name), tmp_path, Checksums(tmp_path / "sums.tsv"))


@pytest.mark.parametrize("page", ["html", "json", "xhtml"])
def test_a_page_is_no_list(tmp_path: Path, page: str) -> None:
    (tmp_path / "x.txt").write_bytes(PAGES[page])
    with pytest.raises(HndescError, match="a web page instead"):
        check_content(tmp_path / "x.txt", "x.txt")


@pytest.mark.parametrize("name", NAMES[:-2])
def test_bytes_of_another_kind_are_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(NEW[:10_000])
    with pytest.raises(HndescError, match="something else instead"):
        check_content(tmp_path / name, name)


def archive(mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as opened:
        opened.addfile(tarfile.TarInfo("a"))
    return stream.getvalue()


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def test_files_of_every_kind_are_files(tmp_path: Path) -> None:
    import scipy.io
    import torch
    from safetensors.torch import save

    tensors = {"x": torch.zeros(3)}
    zipped = written(lambda stream: zipfile.ZipFile(stream, "w").close())
    bodies = {
        "w.pth": written(lambda stream: torch.save(tensors, stream)),
        "w.pt": written(lambda stream: torch.save(tensors, stream, _use_new_zipfile_serialization=False)),
        "w.safetensors": save(tensors),
        "w.npz": written(lambda stream: np.savez(stream, x=np.zeros(3))),
        "w.npy": written(lambda stream: np.save(stream, np.zeros(3))),
        "a.zip": zipped,
        "a.tar": archive("w"),
        "a.tgz": archive("w:gz"),
        "a.tar.bz2": archive("w:bz2"),
        "a.tar.xz": archive("w:xz"),
        "r.mat": written(lambda stream: scipy.io.savemat(stream, {"x": 1})),
        "x.txt": "a b\nä c\n".encode(),
        "x.json": b"{}",
        "model.bin": NEW[:1000],
        **{f"gnd{protocol}.pkl": pickle.dumps({"imlist": ["a"]}, protocol) for protocol in range(6)},
    }
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
        check_content(tmp_path / name, name)


def test_what_is_no_file_of_weights_is_not_recorded(serve, tmp_path: Path) -> None:
    address = serve(whole(PAGES["text"], "\nContent-Type: text/plain"))
    registry = tmp_path / "r.yaml"
    registry.write_text(f"weights: {{w.pth: {{files: [{{addresses: ['{address}/w.pth']}}]}}}}")
    with pytest.raises(HndescError, match=r"text instead of a \.pth file"):
        get_dataset("w.pth", tmp_path, registry=registry, checksums=tmp_path / "sums.tsv", retry_policy=QUICK)
    assert not (tmp_path / "sums.tsv").exists() and not (tmp_path / "weights" / "w.pth").exists()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_compressed_bytes_are_not_taken_for_the_file(serve, tmp_path: Path, coding: str) -> None:
    bad, good = serve(whole(gzip.compress(OLD), f"\nContent-Encoding: {coding}")), serve(whole(OLD))
    with pytest.raises(HndescError, match="Content-Encoding"):
        fetch(tmp_path, (bad,), "x.bin")
    assert fetch(tmp_path, (bad, good), "x.bin") == OLD


def test_an_archive_called_compressed_is_the_archive(serve, tmp_path: Path) -> None:
    body = archive("w:gz")
    assert fetch(tmp_path, (serve(whole(body, "\nContent-Encoding: x-gzip")),), "a.tgz") == body


def shifted(peer: Peer) -> None:
    """Bring a megabyte and more each time, and always answer with another part than the one asked for."""
    if peer.start:
        peer.send(f"HTTP/1.1 206 P\nETag: \"a\"\nContent-Range: bytes {peer.start + 1}-{len(OLD) - 1}/{len(OLD)}\n"
                  f"Content-Length: {len(OLD) - peer.start - 1}", OLD[peer.start + 1 :])  # fmt: skip
    else:
        peer.send(f'HTTP/1.1 200 OK\nETag: "a"\nContent-Length: {len(OLD)}', OLD[: len(OLD) // 2])


def redirect(location: str) -> Answer:
    return lambda peer: peer.send(f"HTTP/1.1 302 Found\nLocation: {location}\nContent-Length: 0\nConnection: close")


def raw(text: str, body: bytes = b"") -> Answer:
    return lambda peer: peer.send(text, body)


def chunks(body: bytes) -> Answer:
    return raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", body)


BROKEN: dict[str, Answer] = {
    "shifted range": shifted,
    "range without a start": raw(f"HTTP/1.1 206 P\nContent-Range: bytes\nContent-Length: {len(OLD)}", OLD),
    "range of units": raw(f"HTTP/1.1 206 P\nContent-Range: lines 0-1/{'9' * 5000}\nContent-Length: 5", b"abcde"),
    "no range": raw("HTTP/1.1 206 P\nContent-Length: 5", b"abcde"),
    "empty": raw("HTTP/1.1 200 OK\nContent-Length: 0"),
    "empty chunks": chunks(b"0\r\n\r\n"),
    "negative length": raw("HTTP/1.1 200 OK\nContent-Length: -5\nConnection: close", b"abc"),
    "giant length": raw(f"HTTP/1.1 200 OK\nContent-Length: {'9' * 5000}", b"abc"),
    "length beyond the disk": raw(f"HTTP/1.1 200 OK\nContent-Length: {'9' * 17}", b"abc"),
    "two lengths": raw("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6", b"abcde"),
    "length in words": raw("HTTP/1.1 200 OK\nContent-Length: many", b"abc"),
    "nothing": lambda peer: None,
    "cut in the status": raw("", b"HTTP/1.1 2"),
    "cut in the headers": raw("", b"HTTP/1.1 200 OK\r\nContent-Len"),
    "cut in the body": raw('HTTP/1.1 200 OK\nETag: "a"\nContent-Length: 50', b"abc"),
    "cut in the chunks": chunks(b"5\r\nabcde\r\n"),
    "chunks of nothing": chunks(b"\r\n\r\n\r\n"),
    "chunks in words": chunks(b"zz\r\nabc\r\n0\r\n\r\n"),
    "negative chunk": chunks(b"-5\r\nabc\r\n0\r\n\r\n"),
    "giant chunk": chunks(b"f" * 60 + b"\r\nabc"),
    "not HTTP": raw("", b"SSH-2.0-OpenSSH_9\r\n\r\n"),
    "TLS": raw("", b"\x15\x03\x01\x00\x02\x02\x50"),
    "long status": raw("", b"HTTP/1.1 200 " + b"O" * 200_000),
    "many headers": raw("HTTP/1.1 200 OK\n" + "\n".join(f"X-{k}: 1" for k in range(500))),
    "long header": raw("HTTP/1.1 200 OK\nX: " + "x" * 200_000),
    "reset": Peer.reset,
    **{str(status): raw(f"HTTP/1.1 {status} X\nContent-Length: 0") for status in (204, 304, 401, 405, 407, 410, 416)},
    **{str(status): raw(f"HTTP/1.1 {status} X\nContent-Length: 0") for status in (429, 500, 503, 599, 600, 999)},
    "redirect to the disk": redirect("file:///etc/passwd"),
    "redirect to data": redirect("data:text/plain,x"),
    "redirect to FTP": redirect("ftp://127.0.0.1/x"),
    "redirect nowhere": redirect(""),
    "redirect to half a bracket": redirect("http://["),
    "redirect to no host": redirect("http:///x"),
    "redirect to a wrong port": redirect("http://127.0.0.1:99999/x"),
    "redirect to a port in words": redirect("http://127.0.0.1:port/x"),
    "redirect to a dotted host": redirect("http://.../x"),
    "redirect to a long host": redirect("http://" + "a" * 70 + ".invalid/x"),
    "redirect to bytes": redirect("http://\xff\xfe/\x00x"),
    "redirect in circles": redirect("/x.bin"),
    "redirect to a longer and longer address": lambda peer: redirect(peer.request.split()[1].decode() + "/x")(peer),
}
SLOW: dict[str, Answer] = {
    "silence": lambda peer: peer.drip(b""),
    "status": lambda peer: peer.drip(b"H"),
    "headers": lambda peer: (peer.send("", b"HTTP/1.1 200 OK\r\n"), peer.drip(b"X: 1\r\n")),
    "one header": lambda peer: (peer.send("", b"HTTP/1.1 200 OK\r\nX: "), peer.drip(b"x")),
    "more to come": lambda peer: peer.flood(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": lambda peer: (peer.send("HTTP/1.1 200 OK\nContent-Length: 50000"), peer.drip(b"x")),
    "chunk length": lambda peer: (peer.send("HTTP/1.1 200 OK\nTransfer-Encoding: chunked"), peer.drip(b"0")),
    "chunk extension": lambda peer: (
        peer.send("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5;x="),
        peer.drip(b"x"),
    ),
    "trailers": lambda peer: (
        peer.send("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1\r\nx\r\n0\r\n"),
        peer.drip(b"X: 1\r\n"),
    ),
    "redirect with a body": lambda peer: (
        peer.send("HTTP/1.1 302 Found\nLocation: /x.bin\nContent-Length: 100000000000"),
        peer.flood(bytes(65536)),
    ),
    "error with a body": lambda peer: (
        peer.send("HTTP/1.1 404 No\nContent-Length: 100000000000"),
        peer.flood(bytes(65536)),
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_server_is_named_and_the_next_is_tried(serve, tmp_path: Path, kind: str) -> None:
    bad, good = serve(BROKEN[kind]), serve(whole(OLD))
    with pytest.raises(HndescError) as caught:
        fetch(tmp_path, (bad,), "x.bin")
    message = str(caught.value)
    assert "x.bin" in message and "\n" not in message and len(message) < 1000
    assert not (tmp_path / "x.bin").exists()
    if kind != "length beyond the disk":
        assert fetch(tmp_path, (bad, good), "x.bin") == OLD


@pytest.mark.parametrize("kind", SLOW)
def test_a_slow_server_is_given_up(serve, tmp_path: Path, kind: str) -> None:
    message = refusal(fetch, tmp_path, (serve(SLOW[kind]),), "x.bin", None, IMPATIENT, seconds=4)
    assert "slower than 1000 bytes" in message or "redirects" in message or "404" in message or "timed out" in message


def test_an_endless_file_of_no_length_leaves_room(serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hndesc.datasets.fetch.download as module

    usage = module.shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    block = b"10000\r\n" + bytes(65536) + b"\r\n"
    answer = lambda peer: (peer.send("HTTP/1.1 200 OK\nTransfer-Encoding: chunked"), peer.flood(block))  # noqa: E731
    with pytest.raises(HndescError, match="reports no length"):
        fetch(tmp_path, (serve(answer),), "x.bin")
    assert not (tmp_path / "x.bin.part").exists()


@pytest.mark.parametrize(
    "text",
    [
        '{"address": 5}',
        *(f'{{"address": "ADDRESS", "validator": {value}}}' for value in ('"a"', "[1]", "{}", "5", '"a\\nb"')),
        '{"address": "ADDRESS", "validator": "a", "total": "x"}',
    ],
)
def test_a_broken_record_of_what_was_begun(serve, tmp_path: Path, text: str) -> None:
    address = serve(lambda peer: (BROKEN["416"] if peer.start else whole(OLD))(peer))
    (tmp_path / "x.bin.part").write_bytes(NEW[:1000])
    (tmp_path / "x.bin.part.json").write_text(text.replace("ADDRESS", f"{address}/x.bin"))
    assert fetch(tmp_path, (address,), "x.bin") == OLD


@pytest.mark.parametrize("text", [None, "", "[]", "{", "5", '{"validator": "a"}', "\0", "[" * 100_000])
@pytest.mark.parametrize("known", [True, False])
def test_files_beside_the_target_that_are_not_ours_are_spared(
    serve, tmp_path: Path, text: str | None, known: bool
) -> None:
    mine = {"x.bin.part": "mine"} | ({} if text is None else {"x.bin.part.json": text})
    for name, content in mine.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(HndescError, match=r"x\.bin\.part.*: exists and is no download of hndesc"):
        fetch(tmp_path, (serve(whole(OLD)),), "x.bin", hashlib.sha256(OLD).hexdigest() if known else None)
    assert {name: (tmp_path / name).read_text() for name in mine} == mine and not (tmp_path / "x.bin").exists()


@pytest.mark.parametrize("kind", ["link", "FIFO", "folder"])
def test_what_is_no_file_in_the_place_of_a_part_is_left(serve, tmp_path: Path, kind: str) -> None:
    address, place = serve(whole(OLD)), tmp_path / "x.bin.part"
    (tmp_path / "x.bin.part.json").write_text(f'{{"address": "{address}/x.bin"}}')
    if kind == "FIFO":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        (tmp_path / "mine").write_text("mine")
        place.symlink_to("mine")
    assert "x.bin.part: exists and is no download" in refusal(fetch, tmp_path, (address,), "x.bin")
    assert kind != "link" or (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("kind", ["folder", "FIFO"])
def test_what_is_no_file_in_the_place_of_a_file_is_refused_before_the_work(serve, tmp_path: Path, kind: str) -> None:
    asked = []
    (tmp_path / "x.bin").mkdir() if kind == "folder" else os.mkfifo(tmp_path / "x.bin")
    with pytest.raises(HndescError, match=r"x\.bin: a (folder|FIFO)"):
        fetch(tmp_path, (serve(asked.append),), "x.bin")
    assert not asked


def test_a_link_to_a_file_that_is_to_be_fetched_is_followed(serve, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "x.bin").symlink_to("store/x.bin")
    assert fetch(tmp_path, (serve(whole(OLD)),), "x.bin") == OLD
    assert (tmp_path / "x.bin").is_symlink() and (tmp_path / "store/x.bin").read_bytes() == OLD
