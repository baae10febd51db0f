"""Archives that fill memory or disk, that overlap, go backwards or end early, and names that no file should have."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.fetch import unpack as module
from hndesc.datasets.fetch.unpack import unpack
from hndesc.errors import HndescError
from tests.hostile.guard import outcome, refusal

BOUND = 20_000_000
GIGABYTES = 3_000_000_000
PACK = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def numbered(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a header whose size is a number of eight bytes, which may be negative."""
    block = bytearray(header("a", 0, kind))
    block[124:136] = (size % 2**96).to_bytes(12, "big")
    block[124] |= 0x80
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def data(body: bytes) -> bytes:
    return body + bytes(-len(body) % 512)


END = bytes(1024)
FILE = header("b", 5) + data(b"hello")
SPARSE = bytearray(header("s", 512, tarfile.GNUTYPE_SPARSE))
SPARSE[482] = 1  # more of the map follows
SPARSE[148:156] = b" " * 8
SPARSE[148:156] = b"%06o\0 " % sum(SPARSE)
MORE = b"00000000001\0" * 42 + b"\1" + bytes(7)


def pax(text: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header("p", len(text), kind) + data(text)


def record(key: str, value: str) -> bytes:
    text = f" {key}={value}\n"
    length = len(text) + len(str(len(text) + 3))
    return f"{length}{text}".encode()


TARS: dict[str, Callable[[], bytes]] = {
    **{
        f"{kind!r} of gigabytes": lambda kind=kind: header("x", GIGABYTES, kind) + bytes(2_000_000) + END
        for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"X")
    },
    **{
        f"{kind!r} full of zeros": lambda kind=kind: header("x", 100_000_000, kind) + bytes(100_000_000) + END
        for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME)
    },
    "a chain of long names": lambda: (header("x", 512, tarfile.GNUTYPE_LONGNAME) + b"a" * 512) * 5000 + FILE + END,
    "a chain of pax headers": lambda: pax(record("comment", "x")) * 5000 + FILE + END,
    "a pax number of a pax size": lambda: pax(record("size", "9" * 5000)) + FILE + END,
    "a negative pax size": lambda: pax(record("size", "-1000")) + FILE + END,
    "a pax size in words": lambda: pax(record("size", "many")) + FILE + END,
    "pax holes": lambda: (
        pax(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.realsize", "9" * 15))
        + header("s", 512)
        + data(b"1\n0\n" + b"9" * 15 + b"\n")
        + END
    ),
    "pax holes of a giant map": lambda: (
        pax(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0"))
        + header("s", 512)
        + data(b"9" * 15 + b"\n")
        + END
    ),
    "holes": lambda: bytes(SPARSE) + MORE * 100_000 + END,
    "a negative size": lambda: numbered(-512) + END,
    "a very negative size": lambda: FILE + numbered(-(2**62)) + END,
    "a negative size of a long name": lambda: numbered(-512, tarfile.GNUTYPE_LONGNAME) + FILE + END,
    "a giant size": lambda: numbered(2**62) + END,
    "a folder of bytes": lambda: header("d", GIGABYTES, tarfile.DIRTYPE) + bytes(100_000) + END,
    "a damaged header": lambda: FILE + b"x" * 512 + FILE.replace(b"b\0", b"c\0", 1) + END,
    "a cut file": lambda: FILE + header("c", 5000) + b"abc",
    "a cut header": lambda: FILE + header("c", 5)[:300],
    "nothing": lambda: b"",
    "zeros": lambda: END,
    "a device": lambda: header("x", 0, tarfile.CHRTYPE) + END,
    "a link": lambda: header("x", 0, tarfile.SYMTYPE) + END,
    "a hard link": lambda: header("x", 0, tarfile.LNKTYPE) + END,
    "a pipe": lambda: header("x", 0, tarfile.FIFOTYPE) + END,
    "an unknown kind": lambda: header("x", 5, b"Z") + data(b"hello") + END,
    "a deep path": lambda: pax(record("path", "a/" * 2000 + "x")) + FILE + END,
    "a long name": lambda: pax(record("path", "a" * 5000)) + FILE + END,
    "a file as a folder": lambda: FILE + header("b/c", 0) + END,
    "a name out of it": lambda: header("../x", 0) + END,
    "a pax name out of it": lambda: pax(record("path", "/tmp/x")) + FILE + END,
    "a pax name of nothing": lambda: pax(record("path", "a\0b")) + FILE + END,
    "a name twice": lambda: FILE + FILE + END,
    "too much": lambda: header("z", 30_000_000) + bytes(30_000_000) + END,
    "too much in many": lambda: (header("z", 10_000_000) + bytes(10_000_000 + -10_000_000 % 512)) * 3 + END,
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * kind.endswith("full of zeros")) for kind in TARS]
)
def test_tar_archives(tmp_path: Path, kind: str) -> None:
    for suffix in (".gz", ".xz") if "zeros" in kind else ("", ".gz"):
        path = tmp_path / f"a.tar{suffix}"
        path.write_bytes(PACK[suffix](TARS[kind]()))
        message = refusal(unpack, path, tmp_path / f"jail{suffix}", BOUND, megabytes=200)
        assert str(path) in message and len(message) < 500
        assert {item.name for item in tmp_path.iterdir()} <= {
            "a.tar",
            "a.tar.gz",
            "a.tar.xz",
            "jail",
            "jail.gz",
            "jail.xz",
        }


@pytest.mark.parametrize("suffix", PACK)
def test_archives_in_two_streams_and_with_holes_between_are_read(tmp_path: Path, suffix: str) -> None:
    first, second = FILE + header("c", 700), data(b"x" * 700) + END
    path = tmp_path / f"a.tar{suffix}"
    path.write_bytes(PACK[suffix](first) + PACK[suffix](second))
    assert unpack(path, tmp_path / "out", BOUND) == 2
    assert (tmp_path / "out" / "c").read_bytes() == b"x" * 700


def test_long_names_and_comments_are_read(tmp_path: Path) -> None:
    for layout in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path, name = tmp_path / "a.tar", "d" * 120 + "/" + "ä" * 100
        with tarfile.open(path, "w", format=layout, pax_headers={"comment": "c" * 5000}) as archive:
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
        assert unpack(path, tmp_path / str(layout), BOUND) == 1
        assert (tmp_path / str(layout) / name).read_bytes() == b"abc"


def test_names_that_are_no_utf8_become_ones_that_are(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("café.jpg"))
    unpack(path, tmp_path / "out", BOUND)
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["café.jpg"]


def test_names_that_differ_in_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(FILE + header("B", 0) + END)
    assert unpack(path, tmp_path / "out", BOUND) == 2
    folded = module.os.path.lexists
    monkeypatch.setattr(module.os.path, "lexists", lambda place: folded(str(place).lower()))  # as on such a file system
    with pytest.raises(HndescError, match="two of its files have the name B"):
        unpack(path, tmp_path / "out2", BOUND)


def zipped(*names: str, body: bytes = b"hello") -> bytearray:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
    return bytearray(stream.getvalue())


def overlapping() -> bytes:
    """A hundred names for one place."""
    whole = zipped("a00", body=bytes(100_000))
    start, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    entries = b"".join(bytes(whole[start:end]) for _ in range(100))
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 100, 100, len(entries), start, 0)
    return bytes(whole[:start]) + entries + last


def changed(offset: int, form: str, *values: int, of: bytes = b"PK\x01\x02") -> bytes:
    """Return an archive whose central (or other) record has other numbers."""
    whole = zipped("a", "b")
    struct.pack_into(form, whole, whole.index(of) + offset, *values)
    return bytes(whole)


ZIPS: dict[str, Callable[[], bytes]] = {
    "one place many times": overlapping,
    "a bomb": lambda: bytes(zipped("a", body=bytes(100_000_000))),
    "a lie about the size": lambda: bytes(
        zipped("a", body=bytes(10_000_000)).replace((10_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    ),
    "a giant size": lambda: changed(24, "<I", 2**32 - 2),
    "a list of gigabytes": lambda: changed(12, "<I", GIGABYTES, of=b"PK\x05\x06"),
    "a list elsewhere": lambda: changed(16, "<I", 2**32 - 2, of=b"PK\x05\x06"),
    "a place elsewhere": lambda: changed(42, "<I", 2**31),
    "encrypted": lambda: changed(8, "<H", 1),
    "an unknown method": lambda: changed(10, "<H", 99),
    "an unknown version": lambda: changed(6, "<H", 99),
    "a link": lambda: changed(38, "<I", 0o120777 << 16),
    "a device": lambda: changed(38, "<I", 0o060777 << 16),
    "another name within": lambda: changed(30, "<B", ord("z"), of=b"PK\x03\x04"),
    "a wrong checksum": lambda: changed(16, "<I", 5),
    "cut": lambda: bytes(zipped("a", "b")[:60]),
    "without a list": lambda: bytes(zipped("a", "b")[:-30]),
    "nothing": lambda: b"",
    "no files": lambda: bytes(zipped()),
    "a folder alone": lambda: bytes(zipped("d/")),
    "out of it": lambda: bytes(zipped("../x")),
    "a deep path": lambda: bytes(zipped("a/" * 2000 + "x")),
    "a long name": lambda: bytes(zipped("a" * 5000)),
    "a name of nothing": lambda: bytes(zipped("a", "q").replace(b"q", b"\0")),
    "a file as a folder": lambda: bytes(zipped("a", "a/b")),
    "no UTF-8": lambda: bytes(zipped("ä").replace("ä".encode(), b"\xff\xfe")),
    "a wide list": lambda: changed(
        12, "<I", 2**32 - 1, of=b"PK\x05\x06"
    ).replace(b"PK\x05\x06", struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, 10**11, 0)
        + struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1) + b"PK\x05\x06"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ZIPS)
def test_zip_archives(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(ZIPS[kind]())
    message = refusal(unpack, path, tmp_path / "jail", BOUND, megabytes=200)
    assert str(path) in message and len(message) < 500
    assert {item.name for item in tmp_path.iterdir()} == {"a.zip", "jail"}


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 3)
    path, names = tmp_path / f"a{suffix}", [f"{k}/" for k in range(4)]
    path.write_bytes(
        zipped(*names) if suffix == ".zip" else b"".join(header(name, 0, tarfile.DIRTYPE) for name in names) + END
    )
    with pytest.raises(HndescError, match="more than 3 files"):
        unpack(path, tmp_path / "out", BOUND)


def test_a_tar_archive_that_needs_more_than_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(gzip.compress(header("z", 3_000_000) + bytes(3_000_000 + -3_000_000 % 512) + END))
    usage = module.shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(HndescError, match="free some space"):
        unpack(path, tmp_path / "out", BOUND)
    assert list((tmp_path / "out").iterdir()) == []


def unpack_mutations(folder: Path, suffix: str, seeds: range) -> int:
    """Unpack one archive with a few bytes changed, cut out or repeated, once for each seed; count what passed."""
    files = {"top/a.txt": b"alpha" * 100, "top/deep/b.bin": bytes(range(256)) * 20, "c": b""}
    if suffix == ".zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in files.items():
                archive.writestr(name, body)
        whole = stream.getvalue()
    else:
        whole = PACK[suffix.removeprefix(".tar")](
            b"".join(header(name, len(body)) + data(body) for name, body in files.items()) + END
        )
    passed = 0
    for seed in seeds:
        chance, changed = np.random.default_rng(seed), bytearray(whole)
        for _ in range(chance.integers(1, 4)):
            first, second = sorted(chance.integers(0, len(changed), 2).tolist())
            match chance.integers(4):
                case 0:
                    changed[first] = chance.integers(256)
                case 1:
                    del changed[first : min(second, first + 600)]
                case 2:
                    changed[first:first] = changed[first : min(second, first + 600)]
                case _:
                    changed[first] ^= 1 << int(chance.integers(8))
        path = folder / f"{seed}{suffix}"
        path.write_bytes(changed)
        try:
            unpack(path, folder / "jail" / str(seed), 1_000_000)
            passed += 1
        except HndescError as error:
            assert str(path) in str(error)
    return passed


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_damaged_archives(tmp_path: Path, suffix: str) -> None:
    assert outcome(unpack_mutations, tmp_path, suffix, range(200), seconds=10) < 200
    assert {item.name for item in tmp_path.iterdir()} == {"jail", *(f"{seed}{suffix}" for seed in range(200))}
