"""Files of arrays that others made: numbers by name, or one line; nothing is unpickled and nothing fills the memory."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hndesc.io.array_files import read_arrays
from tests.hostile.guard import outcome, refusal

NAMES = ("a", "b")


def read(path: Path) -> dict[str, np.ndarray]:
    return read_arrays(path, NAMES, "a file of a and b", "get it again")


def packed(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return stream.getvalue()


def header(shape: str, kind: str = "<f8") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00v\x00" + text.ljust(117) + b"\n"


def saved(**arrays: object) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def changed(at: int, value: int, marker: bytes) -> bytes:
    """Change a byte of the header of every member of an archive."""
    data = bytearray(saved(a=np.arange(50.0), b=1.0))
    for place in range(len(data)):
        if data[place : place + 4] == marker:
            data[place + at] = value
    return bytes(data)


FILES = {
    "nothing": b"",
    "a page": b"<html>quota</html>",
    "one array": saved(a=1.0),
    "an object": saved(a=1.0, b=np.array([{}], object)),
    "a text": saved(a=1.0, b="text"),
    "complex": saved(a=1.0, b=1j),
    "a giant": packed(a=header("(1000000000000, 2)"), b=header("()") + bytes(8)),
    "a negative size": packed(a=header("(-1, 2)"), b=header("()") + bytes(8)),
    "no header": packed(a=b"\x93NUMPY\x01\x00v\x00" + b"(" * 117, b=b""),
    "encrypted": changed(8, 1, b"PK\1\2"),
    "another compression": changed(10, 99, b"PK\1\2"),
    "cut": saved(a=np.arange(50.0), b=1.0)[:200],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.npz"


def test_arrays_come_back(path: Path) -> None:
    path.write_bytes(saved(a=[1, 2], b=True, c="not asked for"))
    assert {name: values.tolist() for name, values in read(path).items()} == {"a": [1, 2], "b": True}


@pytest.mark.parametrize("kind", FILES)
def test_other_files_are_refused(path: Path, kind: str) -> None:
    path.write_bytes(FILES[kind])
    assert str(path) in refusal(read, path)


def test_what_unfolds_to_gigabytes_is_refused(path: Path) -> None:
    path.write_bytes(packed(a=header("(16777216,)") + bytes(2**27), b=header("()") + bytes(8)))
    assert "bytes" in refusal(read, path, megabytes=100)


@pytest.mark.parametrize("put", [lambda path: None, Path.mkdir])
def test_what_is_no_file_is_refused(path: Path, put) -> None:
    put(path)
    assert str(path) in refusal(read, path)


def read_mutations(path: Path, seeds: range) -> int:
    passed = 0
    for seed in seeds:
        chance, data = np.random.default_rng(seed), bytearray(saved(a=np.arange(50.0), b=1.0))
        for place in chance.integers(0, len(data), 3):
            data[place] = chance.integers(256)
        path.write_bytes(data)
        passed += isinstance(_read_or_refuse(path), dict)
    return passed


def _read_or_refuse(path: Path) -> object:
    try:
        return read(path)
    except Exception as error:
        assert type(error).__name__ == "HndescError", error
        return None


def test_damaged_files(path: Path) -> None:
    assert outcome(read_mutations, path, range(200), seconds=20) < 200
