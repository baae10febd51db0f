"""Files that are no photos, whatever their suffix says: each is refused by name, and none is run or waited for."""

import io
import os
import socket
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hndesc.errors import ImageError
from hndesc.io.image_listing import SUFFIXES
from hndesc.io.image_reading import FORMATS
from hndesc.io.images import find_images, image_size, read_image
from tests.hostile.guard import outcome, refusal
from tests.hostile.image_calls import peak_of_reading, read_all, read_mutants, try_reading

RNG = np.random.default_rng(0)
PICTURE = Image.fromarray(RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8))


def saved(plugin: str, image: Image.Image = PICTURE, **options: object) -> bytes | None:
    """Return an image as a plugin of Pillow writes it; None if it writes none of these modes."""
    for mode in (image.mode, "RGB", "L", "1", "P", "RGBA", "F"):
        buffer = io.BytesIO()
        try:
            image.convert(mode).save(buffer, plugin, **options)
        except Exception:  # each plugin refuses in its own way
            continue
        return buffer.getvalue()
    return None


def foreign_plugins() -> dict[str, bytes]:
    Image.init()
    foreign = sorted(Image.SAVE.keys() - {*FORMATS, "MPO", "ICO", "ICNS"})
    return {plugin: data for plugin in foreign if (data := saved(plugin))}


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
FOREIGN = {
    **foreign_plugins(),
    "ICO": saved("ICO"),
    "ICNS": saved("ICNS", Image.new("RGBA", (32, 32))),
    "PostScript that writes": EPS + b"(%MARK%) (w) file closefile showpage\n%%EOF\n",
    "PostScript that loops": EPS + b"{ } loop\n",
    "PostScript with a DOS header": struct.pack("<I5I", 0xC6D3D0C5, 30, len(EPS), 0, 0, 0) + b"\0" * 6 + EPS,
    "FITS": b"SIMPLE  =                    T".ljust(80)
    + b"BITPIX  =                    8".ljust(80)
    + b"END".ljust(2720),
    "Photoshop": b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 8, 8, 8, 3) + bytes(300),
    "GRIB": b"GRIB" + bytes(4) + b"\x01" + bytes(50),
    "BUFR": b"BUFR" + bytes(50),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<4hH", 0, 0, 9, 9, 72) + bytes(16) + b"\x01\x00\x09\x00" + bytes(40),
    "MPEG": b"\0\0\x01\xb3" + bytes(50),
    "FLI": struct.pack("<IHHHHHH", 128, 0xAF11, 1, 9, 9, 8, 3) + bytes(128),
    "FTEX": b"FTEX" + struct.pack("<6I", 1, 9, 9, 1, 1, 0) + bytes(40),
    "XPM": b'/* XPM */\nstatic char *a[] = {\n"2 1 1 1",\n"a c #FF0000",\n"aa"};\n',
    "QOI": b"qoif" + struct.pack(">IIBB", 9, 9, 3, 0) + bytes(40),
    "DDS": b"DDS " + struct.pack("<I", 124) + bytes(200),
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>',
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60),
    "script": b"#!/bin/sh\ntouch marker\n",
    "ZIP": b"PK\x03\x04" + bytes(60),
    "nothing": b"",
}


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that exists once any usual interpreter of images is started."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("gs", "gswin64c", "gswin32c", "sh", "djpeg", "convert", "magick", "rsvg-convert"):
        (programs / name).write_text(f"#!/bin/bash\necho ran >> {tmp_path}/marker\nexit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    return tmp_path / "marker"


def test_other_formats_are_refused_behind_every_suffix(tmp_path: Path, marker: Path) -> None:
    names = []
    for number, data in enumerate(FOREIGN.values()):
        first = tmp_path / f"{number}.png"
        first.write_bytes(data.replace(b"%MARK%", os.fsencode(marker)))
        names.append(first.name)
        for suffix in sorted(SUFFIXES - {".png"} | {".eps", ".PNG", ""}):
            names.append(f"{number}{suffix}")
            (tmp_path / names[-1]).hardlink_to(first)
    for name, said in read_all(tmp_path, names).items():  # here, where a program would be found
        assert all(name in one and "not an image that can be decoded" in one for one in said), said
    assert not marker.exists()


def test_the_marker_would_be_written(tmp_path: Path, marker: Path) -> None:
    """Pillow left to itself does start Ghostscript."""
    (tmp_path / "x.png").write_bytes(FOREIGN["PostScript that loops"])
    with pytest.raises((OSError, subprocess.CalledProcessError)), Image.open(tmp_path / "x.png") as image:
        image.load()
    assert marker.exists()


@pytest.mark.parametrize("plugin", FORMATS)
def test_formats_of_the_list_are_read_behind_every_suffix(tmp_path: Path, plugin: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(saved(plugin))
    expected = read_image(path)
    assert expected.shape == (24, 32, 3) and image_size(path) == (32, 24)
    for suffix in SUFFIXES:
        path = path.rename(tmp_path / f"x{suffix}")
        assert np.array_equal(read_image(path), expected)


def test_several_images_in_one_jpeg_are_its_first(tmp_path: Path) -> None:
    other = Image.new("RGB", (8, 8), "red")
    (tmp_path / "x.jpg").write_bytes(saved("MPO", save_all=True, append_images=[other]))
    (tmp_path / "y.jpg").write_bytes(saved("JPEG"))
    assert np.array_equal(read_image(tmp_path / "x.jpg"), read_image(tmp_path / "y.jpg"))


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        folder = os.open(path.parent, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{folder}/{path.name}")  # a path of a socket is short
        os.close(folder)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


OTHERS = [make_fifo, make_link_to_fifo, make_socket, make_device, make_terminal, Path.mkdir]


@pytest.mark.parametrize("make", OTHERS)
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x.png")
    assert all("x.png: a folder, FIFO or device" in said for said in outcome(try_reading, tmp_path / "x.png"))
    PICTURE.save(tmp_path / "y.png")
    assert find_images(tmp_path) == ["y.png"]


def test_a_fifo_that_takes_the_place_of_a_photo_is_not_waited_for(tmp_path: Path, monkeypatch) -> None:
    PICTURE.save(tmp_path / "x.png")
    before = os.stat(tmp_path / "x.png")
    os.unlink(tmp_path / "x.png")
    os.mkfifo(tmp_path / "x.png")
    monkeypatch.setattr(os, "stat", lambda *args, **kwargs: before)
    with pytest.raises(ImageError, match="FIFO"):
        read_image(tmp_path / "x.png")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, bits: int, color: int, data: bytes = b"", extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(width: int, height: int, bits: int = 1, more: dict[int, int] | None = None) -> bytes:
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 64} | (more or {})
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0) + bytes(64)


def many_scans(count: int) -> bytes:
    data = saved("JPEG", Image.new("L", (2000, 2000)), progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + data[-2:]


def bmp(width: int, height: int) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 100, 0, 0, 62)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 1, *[0] * 6)
        + bytes(8)
    )


def replaced(data: bytes, new: tuple[int, int]) -> bytes:
    """Return a file that declares another width and height than the 32 and 24 of the picture."""
    old = struct.pack(">II", 32, 24)
    assert old in data
    return data.replace(old, struct.pack(">II", *new))


# Nothing but a header that declares too many pixels.
HEADERS = {
    "PNG, 1 bit": png(100_000, 100_000, 1, 0),
    "PNG, 24 bits": png(100_000, 100_000, 8, 2),
    "PNG, 64 bits": png(100_000, 100_000, 16, 6),
    "PNG, greatest size": png(2**31 - 1, 2**31 - 1, 1, 0),
    "PNG, one row": png(2**31 - 1, 1, 1, 0),
    "PNG, one column": png(1, 150_000_000, 1, 0),
    "PNG, just too large": png(20_000, 10_738, 1, 0),
    **{f"TIFF, {bits} bits": tiff(100_000, 100_000, bits) for bits in (1, 8, 16, 32)},
    "TIFF, one column": tiff(1, 150_000_000),
    "PBM": b"P4 100000 100000\n",
    "PBM, text": b"P1 100000 100000\n" + b"0 " * 50,
    "PGM": b"P5 100000 100000 65535\n" + bytes(50),
    "PPM": b"P6 9999999999 9999999999 255\n" + bytes(50),
    "PFM": b"Pf 100000 100000 -1.0\n",
    "BMP": bmp(100_000, 100_000),
    "GIF": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\2D\1\0;",
    "WebP": b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff" * 20,
    "JPEG": saved("JPEG").replace(struct.pack(">HH", 24, 32), b"\xff\xff\xff\xff", 1),
    "JPEG 2000": replaced(saved("JPEG2000", no_jp2=True), (100_000, 100_000)),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.tif").write_bytes(HEADERS[kind])
    for said in outcome(try_reading, tmp_path / "x.tif"):
        assert "x.tif: " in said and "pixels" in said and "make it smaller" in said


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


SIDE = 2000
COLORS = (np.indices((SIDE, SIDE))[..., None] % 7 * 36).sum(axis=0).astype(np.uint8).repeat(3, axis=2)
GRAY = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
# Bytes a pixel that the limit counts, and a file of that kind.
LARGE: dict[str, tuple[int, Callable[[Path], object]]] = {
    "JPEG, turned": (9, lambda path: Image.fromarray(COLORS).save(path, "JPEG", exif=turned(6))),
    "JPEG, progressive": (12, lambda path: Image.fromarray(COLORS).save(path, "JPEG", progressive=True, subsampling=0)),
    "PNG": (9, lambda path: Image.fromarray(COLORS).save(path, "PNG", compress_level=1)),
    "PNG with alpha": (9, lambda path: Image.fromarray(COLORS).convert("RGBA").save(path, "PNG", compress_level=1)),
    "PNG, 1 bit": (5, lambda path: Image.fromarray(COLORS).convert("1").save(path, "PNG")),
    "PNG, 16 bits": (12, lambda path: Image.fromarray((GRAY % 65000).astype(np.uint16)).save(path, "PNG")),
    "PNG, 48 bits": (12, lambda path: cv2.imwrite(str(path), COLORS.astype(np.uint16) * 257)),
    "TIFF, turned": (9, lambda path: Image.fromarray(COLORS).save(path, "TIFF", exif=turned(6))),
    "TIFF": (9, lambda path: Image.fromarray(COLORS).save(path, "TIFF", compression="tiff_lzw")),
    "TIFF, 32 bits": (14, lambda path: Image.fromarray(GRAY.astype(np.float32)).save(path, "TIFF")),
    "WebP": (18, lambda path: Image.fromarray(COLORS).save(path, "WEBP", method=0)),
    "JPEG 2000": (32, lambda path: Image.fromarray(COLORS).save(path, "JPEG2000")),
    "AVIF": (14, lambda path: Image.fromarray(COLORS).save(path, "AVIF", speed=10)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGE)
def test_the_memory_of_an_image_just_within_the_limit(tmp_path: Path, kind: str) -> None:
    per_pixel, save = LARGE[kind]
    path = tmp_path / "x.png"
    save(path)
    limit = per_pixel * SIDE**2 + path.stat().st_size
    assert outcome(peak_of_reading, path, limit, seconds=20) < limit + 8 * 2**20
    assert "pixels in" in refusal(peak_of_reading, path, limit - 1, seconds=20)


# Each is made when its test runs.
BOMBS = {
    "PNG of zeros": lambda: png(14000, 14000, 1, 0, zlib.compress(bytes(1751 * 14000), 9)),
    "PNG, text": lambda: png(8, 8, 8, 0, extra=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**8)))),
    "PNG, many texts": lambda: png(8, 8, 8, 0, extra=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**6))) * 2000),
    "PNG, international text": lambda: png(
        8, 8, 8, 0, extra=chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(10**8)))
    ),
    "PNG, color profile": lambda: png(8, 8, 8, 0, extra=chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8)))),
    "PNG, EXIF": lambda: png(
        *(8, 8, 8, 0, zlib.compress(bytes(72))),
        chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + b"\x12\1\2\0\xff\xff\xff\x7f" * 20),
    ),
    "TIFF, greatest size": lambda: tiff(2**32 - 1, 2**32 - 1),
    "TIFF, huge tiles": lambda: tiff(64, 64, 8, {322: 2**31 - 1, 323: 2**31 - 1, 324: 8, 325: 2**31 - 1}),
    "TIFF, huge tiles of LZW": lambda: tiff(64, 64, 8, {259: 5, 322: 2**20, 323: 2**20, 324: 8, 325: 64}),
    "TIFF, huge strips of LZW": lambda: tiff(64, 64, 8, {259: 5, 278: 2**32 - 1, 279: 2**32 - 1}),
    "TIFF, many samples": lambda: tiff(64, 64, 8, {277: 2**32 - 1}),
    "TIFF of zeros": lambda: saved("TIFF", Image.new("1", (14000, 14000)), compression="group4"),
    "TIFF of frames": lambda: saved(
        "TIFF", Image.new("L", (4, 4)), save_all=True, append_images=[Image.new("L", (4, 4))] * 300
    ),
    "PPM, text": lambda: b"P3 10000 10000 255\n" + b"0 " * 50,
    "PPM, comment": lambda: b"P5 # " + b"a" * 10**6,
    "BMP, upside down": lambda: bmp(100_000, -(2**31)),
    "JPEG of scans": lambda: many_scans(5000),
    "JPEG 2000, tiles": lambda: replaced(saved("JPEG2000", tile_size=(16, 16)), (14000, 14000)),
    "AVIF": lambda: replaced(saved("AVIF"), (2**31, 2**31)),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_small_files_take_neither_time_nor_memory(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.png").write_bytes(BOMBS[kind]())
    for said in outcome(try_reading, tmp_path / "x.png"):
        assert said == "read" or "x.png: " in said


def test_a_huge_sparse_file_is_not_read(tmp_path: Path) -> None:
    for name, start in (("x.webp", saved("WEBP")), ("x.avif", saved("AVIF")), ("x.png", png(8, 8, 8, 0))):
        with open(tmp_path / name, "wb") as file:
            file.write(start)
            file.truncate(2**40)
        assert "GiB" in refusal(read_image, tmp_path / name)


SEEDS = {
    **{plugin: [saved(plugin)] for plugin in FORMATS},
    "TIFF": [saved("TIFF", PICTURE.convert(m), compression=c) for m in ("L", "F", "1") for c in (None, "tiff_lzw")],
    "PNG": [saved("PNG"), saved("PNG", PICTURE.convert("P")), saved("PNG", PICTURE.convert("1"))],
    "PPM": [b"P2 3 2 99 " + b"7 " * 6, b"P5 3 2 999 " + bytes(range(12)), b"Pf 3 2 -1.0 " + bytes(24)],
    "JPEG": [saved("JPEG", progressive=True), saved("MPO", save_all=True, append_images=[PICTURE])],
}


@st.composite
def mutants(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Draw a file with bytes flipped, cut, doubled or replaced by extreme numbers."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, min(len(data), 400))) if draw(st.booleans()) else draw(st.integers(0, len(data)))
        extremes = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\x01", b"\x80"]
        piece = draw(st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from(extremes)))
        match draw(st.integers(0, 3)):
            case 0:
                data[place : place + len(piece)] = piece
            case 1:
                del data[place:]
            case 2:
                data[place:place] = data[place : place + draw(st.integers(1, 64))]
            case _:
                del data[place : place + draw(st.integers(1, 8))]
    return bytes(data)


@pytest.mark.parametrize("plugin", FORMATS)
def test_mutated_files_are_read_or_refused(tmp_path_factory, plugin: str) -> None:
    folder = tmp_path_factory.mktemp("mutants")

    @settings(max_examples=3, derandomize=True)
    @given(st.lists(mutants(SEEDS[plugin]), min_size=30, max_size=60))
    def check(files: list[bytes]) -> None:
        outcome(read_mutants, folder, files, seconds=10)

    check()
