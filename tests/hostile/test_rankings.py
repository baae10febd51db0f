"""MATLAB files that nest, lie about their sizes or unfold to gigabytes, and other damage to published rankings."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from hndesc.errors import HndescError
from hndesc.io import matlab_files
from hndesc.io.matlab_files import read_struct_array
from tests.hostile.guard import outcome, refusal

ROWS = [("q1.jpg", ["a.png", "b.png"]), ("q2.jpg", ["c.png"]), ("ä.jpg", [])]


def saved(*, compressed: bool = True, **variables: object) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


def ranking() -> np.ndarray:
    entries = np.zeros((1, len(ROWS)), [("query", object), ("views", object)])
    for column, (query, views) in enumerate(ROWS):
        cells = np.empty((1, len(views)), object)
        cells[0] = views
        entries[0, column] = (query, cells)
    return entries


def element(kind: int, body: bytes, size: int | None = None) -> bytes:
    return struct.pack("<II", kind, len(body) if size is None else size) + body + bytes(-len(body) % 8)


def matrix(kind: int, shape: tuple[int, ...], *parts: bytes, name: bytes = b"") -> bytes:
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, head + element(1, name) + b"".join(parts))


def file(*elements: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements)


def nested(depth: int) -> bytes:
    value = matrix(4, (1, 1), element(16, b"x"))
    for _ in range(depth):
        value = matrix(1, (1, 1), value)
    return value


LIST = {"name": b"ImgList"}
FIELDS = element(5, struct.pack("<i", 8)) + element(1, b"a".ljust(8, b"\0") + b"b".ljust(8, b"\0"))
FILES = {
    "nothing": b"",
    "a page": b"<html>quota</html>" * 100,
    "version 4": struct.pack("<5i", 0, 2**30, 2**30, 0, 8) + b"ImgList\0",
    "version 7.3": b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n",
    "a header alone": file(),
    "another variable": saved(Other=ranking()),
    "a number": saved(ImgList=5),
    "a text": saved(ImgList="text"),
    "a table of numbers": saved(ImgList=np.zeros((1000, 1000))),
    "deep cells": file(matrix(1, (1, 1), nested(2000), **LIST)),
    "a shape of gigabytes": file(matrix(1, (2**20, 2**9), element(14, b"") * 3, **LIST)),
    "giant shape": file(matrix(2, (2**31 - 1, 2**31 - 1), FIELDS, **LIST)),
    "negative shape": file(matrix(2, (-1, -1), FIELDS, **LIST)),
    "many sides": file(matrix(2, (2,) * 10_000, FIELDS, **LIST)),
    "no values": file(matrix(2, (1, 2), FIELDS, **LIST)),
    "no fields": file(matrix(2, (1, 2), **LIST)),
    "fields of no width": file(matrix(2, (1, 1), element(5, struct.pack("<i", 0)) + element(1, b"a"), **LIST)),
    "fields of negative width": file(matrix(2, (1, 1), element(5, struct.pack("<i", -8)) + element(1, b"a"), **LIST)),
    "a size beyond the file": file(element(14, b"x" * 16, 2**31)),
    "a compressed size beyond the file": file(element(15, zlib.compress(b"x" * 16), 2**31)),
    "compressed nothing": file(element(15, b"")),
    "compressed noise": file(element(15, b"noise" * 10)),
    "compressed in compressed": file(element(15, zlib.compress(element(15, zlib.compress(bytes(100)))))),
    "a short header": file(element(14, element(6, b"abc"))),
    "a small value of five bytes": file(struct.pack("<HH", 14, 5) + b"abcd"),
}  # fmt: skip
# Made when they are needed: it takes seconds.
LARGE = {
    "deeper cells": lambda: file(matrix(1, (1, 1), nested(20_000), **LIST)),
    "a compressed bomb": lambda: file(element(15, zlib.compress(element(14, bytes(1_000_000_000), 1_000_000_000), 1))),
    "values without end": lambda: file(matrix(1, (1, 1_000_000), element(14, b"") * 10_000_000, **LIST)),
}


def test_what_scipy_writes_is_read_as_scipy_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "r.mat"
    for compressed in (True, False):
        path.write_bytes(saved(ImgList=ranking(), x=np.zeros(5), y="text", compressed=compressed))
        read = read_struct_array(path, "ImgList")
        assert [tuple(entry.values()) for entry in read] == ROWS
        scipys = scipy.io.loadmat(path, simplify_cells=True)["ImgList"]
        assert [entry["query"] for entry in read] == [entry["query"] for entry in scipys]
        assert [list(entry["views"]) for entry in read] == [list(np.atleast_1d(entry["views"])) for entry in scipys]


def test_rows_of_characters_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "r.mat"
    path.write_bytes(saved(ImgList={"query": "q", "views": np.array(["a", "long", "b"])}))
    assert read_struct_array(path, "ImgList") == [{"query": "q", "views": ["a", "long", "b"]}]


@pytest.mark.parametrize("kind", [*FILES, *(pytest.param(kind, marks=pytest.mark.slow) for kind in LARGE)])
def test_files_of_other_content(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "r.mat"
    path.write_bytes(LARGE[kind]() if kind in LARGE else FILES[kind])
    assert str(path) in refusal(read_struct_array, path, "ImgList", seconds=6)


def test_values_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab_files, "MAX_VALUES", 5)
    (tmp_path / "r.mat").write_bytes(saved(ImgList=ranking()))
    with pytest.raises(HndescError, match="more than 5 values"):
        read_struct_array(tmp_path / "r.mat", "ImgList")


def read_mutations(path: Path, seeds: range) -> int:
    passed = 0
    for seed in seeds:
        chance, changed = np.random.default_rng(seed), bytearray(saved(ImgList=ranking(), compressed=seed % 4 == 0))
        for _ in range(chance.integers(1, 4)):
            first, second = sorted(chance.integers(100, len(changed), 2).tolist())
            match chance.integers(4):
                case 0:
                    changed[first] = chance.integers(256)
                case 1:
                    del changed[first : min(second, first + 20)]
                case 2:
                    changed[first:first] = changed[first : min(second, first + 64)]
                case _:
                    changed[first] ^= 1 << int(chance.integers(8))
        path.write_bytes(changed)
        try:
            read_struct_array(path, "ImgList")
            passed += 1
        except HndescError as error:
            assert str(path) in str(error)
    return passed


def test_damaged_files(tmp_path: Path) -> None:
    assert outcome(read_mutations, tmp_path / "r.mat", range(300), seconds=20) < 300
