"""Reading photos of every kind, broken ones, resizing and the pixel-center convention."""

import errno
import os
import struct
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from hndesc.errors import HndescError, ImageError
from hndesc.io import image_reading
from hndesc.io.images import (
    find_images,
    image_orientation,
    image_size,
    read_image,
    resize_longest,
    scale_points,
    to_gray,
    write_image,
)

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)
DEEP[0, :2] = 0, 65535


def smooth(height: int = 24, width: int = 32) -> np.ndarray:
    """A picture that survives JPEG: each channel a different ramp."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 9, (x + y) * 4], axis=2).astype(np.uint8)


def test_color_png_is_read_unchanged(tmp_path):
    image = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, image)


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".pgm", ".tif", ".bmp", ".webp"])
def test_gray_becomes_three_equal_channels(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(smooth()[..., 0]).save(path)
    read = read_image(path)
    assert read.shape == (24, 32, 3)
    assert np.ptp(read.astype(int), axis=2).max() <= 2
    assert np.abs(read[..., 0].astype(int) - smooth()[..., 0]).mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
def test_16_bit_gray_is_scaled_by_its_full_range(tmp_path, suffix):
    path = str(tmp_path / f"a{suffix}")
    cv2.imwrite(path, DEEP)
    np.testing.assert_array_equal(read_image(path)[..., 1], np.round(DEEP / 257).astype(np.uint8))


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_16_bit_files_that_use_fewer_bits_are_scaled_by_those(tmp_path, suffix, bits):
    path = str(tmp_path / f"a{suffix}")
    cv2.imwrite(path, DEEP >> (16 - bits))
    expected = np.round((DEEP >> (16 - bits)) * (255 / (2**bits - 1)))
    np.testing.assert_array_equal(read_image(path)[..., 1], expected)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_16_bit_color_that_uses_fewer_bits_keeps_all_of_them(tmp_path, suffix, bits):
    deep = RNG.integers(0, 2**bits, (6, 9, 3), dtype=np.uint16)
    deep[0, 0] = 0, 1, 2**bits - 1
    path = str(tmp_path / f"a{suffix}")
    cv2.imwrite(path, deep)
    np.testing.assert_array_equal(read_image(path), np.round(deep[..., ::-1] * (255 / (2**bits - 1))))


def deep_png(kind: int, values: np.ndarray, transparent: bytes = b"") -> bytes:
    """Return 16-bit values (H x W x bands) as a PNG of a kind of color: 2 RGB, 4 gray and alpha, 6 RGB and alpha."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
        if data or name != b"tRNS"
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("kind", ["gray and alpha", "RGB and alpha", "RGB, one color transparent"])
@pytest.mark.parametrize("bits", [10, 12])
def test_deep_color_beside_transparency_keeps_its_bits(tmp_path, kind, bits):
    bands = 1 if kind == "gray and alpha" else 3
    deep = RNG.integers(1, 2**bits, (6, 9, bands), dtype=np.uint16)
    deep[0, 0] = 2**bits - 1
    expected = np.broadcast_to(np.round(deep * (255 / (2**bits - 1))), (6, 9, 3)).copy()
    if kind == "RGB, one color transparent":
        data = deep_png(2, deep, struct.pack(">HHH", 0, 0, 0))
    else:
        alpha = np.full((6, 9, 1), 65535, np.uint16)
        alpha[5, 8], expected[5, 8] = 0, 255
        data = deep_png(4 if bands == 1 else 6, np.dstack([deep, alpha]))
    (tmp_path / "a.png").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_color_of_jpeg_2000_keeps_its_bits(tmp_path, bits):
    image = cv2.resize(smooth(), (128, 96))
    deep = image.astype(np.uint16) * 257 >> (16 - bits)
    cv2.imwrite(str(tmp_path / "a.jp2"), deep[..., ::-1])
    assert np.abs(read_image(tmp_path / "a.jp2").astype(float) - image).mean() < 3


def jpeg_2000(path, values, bits):
    """Write values as a lossless JPEG 2000 file that declares a number of bits: OpenCV writes 8 and 16 only."""
    # Decoders add half of the declared range, so moved values of 16 bits are those of fewer bits.
    cv2.imwrite(path, values + np.uint16(2**15 - 2 ** (bits - 1)), [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    data = bytearray(path.read_bytes())
    data[data.index(b"ihdr") + 14] = bits - 1
    start = data.index(b"\xff\x4f\xff\x51")
    for component in range(data[start + 41]):
        data[start + 42 + 3 * component] = bits - 1
    path.write_bytes(data)


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("highest", [0.01, 0.2, 1])
def test_jpeg_2000_is_scaled_by_its_declared_bits(tmp_path, bits, bands, highest):
    values = RNG.uniform(0, highest * (2**bits - 1), (32, 32, bands)).round().astype(np.uint16)
    values[0, 0] = round(highest * (2**bits - 1))  # near white, Pillow's color wraps to black
    jpeg_2000(tmp_path / "a.jp2", values.squeeze(), bits)
    expected = np.broadcast_to(np.round(values[..., ::-1] * (255 / (2**bits - 1))), (32, 32, 3))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jp2"), expected)


def test_16_bit_white_of_jpeg_2000_stays_white(tmp_path):
    cv2.imwrite(str(tmp_path / "a.jp2"), np.full((32, 32, 3), 65535, np.uint16))
    assert read_image(tmp_path / "a.jp2").min() == 255


def raw_tiff(values: np.ndarray, photometric: int) -> bytes:
    """Return unsigned gray values as a little-endian TIFF; 0 is white for photometric 0, black for 1."""
    height, width = values.shape
    data = values.tobytes()
    tags = {256: width, 257: height, 258: 8 * values.itemsize, 259: 1, 262: photometric, 273: 0, 277: 1, 278: height}
    tags[279] = len(data)
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + data


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("white_is_zero", [True, False])
def test_zero_is_white_where_a_tiff_says_so(tmp_path, kind, white_is_zero):
    top = np.iinfo(kind).max
    (tmp_path / "a.tif").write_bytes(raw_tiff(np.array([[0, 0, top]], kind), 0 if white_is_zero else 1))
    assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == ([255, 255, 0] if white_is_zero else [0, 0, 255])


def test_unsigned_32_bit_values_have_no_sign(tmp_path):
    values = np.array([[0, 2**30, 2**31, 2**32 - 1]], np.uint32)
    (tmp_path / "a.tif").write_bytes(raw_tiff(values, 1))
    assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 64, 128, 255]


def test_big_endian_16_bit_tiff(tmp_path):
    Image.fromarray(DEEP.astype(">u2")).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], np.round(DEEP / 257).astype(np.uint8))


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
def test_16_bit_color_keeps_its_high_bytes(tmp_path, suffix):
    deep = RNG.integers(0, 65536, (6, 9, 3), dtype=np.uint16)
    path = str(tmp_path / f"a{suffix}")
    cv2.imwrite(path, deep)
    assert np.abs(read_image(path).astype(float) - deep[..., ::-1] / 257).max() < 1


def test_float_tiff_up_to_one(tmp_path):
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 2], np.round(values * 255).astype(np.uint8))


def test_float_tiff_with_nan_is_black_there(tmp_path):
    Image.fromarray(np.array([[np.nan, 1.0]], np.float32)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 255]


def test_32_bit_values_beyond_16_bits_are_scaled_by_their_maximum(tmp_path):
    Image.fromarray(np.array([[0, 500_000, 1_000_000]], np.int32)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_jpeg(tmp_path):
    Image.fromarray(smooth()).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth()).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turn(tmp_path, orientation):
    upright = smooth(16, 24)
    # What a camera stores so that a viewer shows the upright picture.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), upright)


def test_transparency_lies_on_white(tmp_path):
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    image.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_palette_with_and_without_transparency(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    image.putpalette([9, 8, 7, 100, 110, 120])
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", transparency=1)
    assert read_image(tmp_path / "a.png").tolist() == [[[9, 8, 7], [100, 110, 120]]]
    assert read_image(tmp_path / "b.png").tolist() == [[[9, 8, 7], [255, 255, 255]]]


def test_first_page_of_several(tmp_path):
    pages = [Image.new("RGB", (3, 2), (value, 0, 0)) for value in (50, 100)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a.webp", save_all=True, append_images=pages[1:], lossless=True)
    for name in ("a.tif", "a.webp"):
        assert (read_image(tmp_path / name) == (50, 0, 0)).all()


@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".ppm"])
def test_truncated_file_is_an_error_that_names_it(tmp_path, suffix, keep):
    whole = tmp_path / f"whole{suffix}"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole.read_bytes()[: int(keep * whole.stat().st_size)])
    with pytest.raises(ImageError, match=f"cut{suffix}.*truncated"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"just some words\n"])
def test_file_that_is_no_image(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.jpg.*replace or remove"):
        read_image(tmp_path / "a.jpg")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.jpg: no such image"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match=tmp_path.name):
        read_image(tmp_path)


def test_gigantic_photo_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 100000 100000 255\n" + b"0" * 100)
    with pytest.raises(ImageError, match=r"a\.pgm.*smaller"):
        read_image(tmp_path / "a.pgm")


def test_find_images_is_sorted_recursive_and_leaves_out_the_hidden(tmp_path):
    for name in ("b.JPG", "sub/a.png", "sub/deep/c.ppm", "notes.txt", ".hidden.jpg", ".git/x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    assert find_images(tmp_path) == ["b.JPG", "sub/a.png", "sub/deep/c.ppm"]


def test_find_images_says_what_is_missing(tmp_path):
    with pytest.raises(HndescError, match="nowhere: no such folder"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(HndescError, match="no image in it"):
        find_images(tmp_path)


def test_to_gray_is_luma():
    pure = np.eye(3, dtype=np.uint8)[None] * 255
    assert to_gray(pure).tolist() == [[76, 150, 29]]


def test_write_image_round_trip(tmp_path):
    write_image(tmp_path / "new" / "a.png", smooth())
    write_image(tmp_path / "a.jpg", smooth())
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "a.png"), smooth())
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth()).mean() < 2


@pytest.mark.parametrize(
    ("shape", "longest", "expected"),
    [((30, 40), None, (30, 40)), ((30, 40), 40, (30, 40)), ((30, 40), 20, (15, 20)), ((1, 500), 10, (1, 10))],
)
def test_resize_longest_sizes(shape, longest, expected):
    resized, factors = resize_longest(np.zeros((*shape, 3), np.uint8), longest)
    assert resized.shape[:2] == expected
    np.testing.assert_allclose(factors, [expected[1] / shape[1], expected[0] / shape[0]])


@pytest.mark.parametrize("longest", [50, 64, 81])
def test_points_move_with_the_resized_image(longest):
    """A blob's center of mass in the shrunk image lies where scale_points puts it."""
    x, y = 61.3, 40.8
    rows, columns = np.mgrid[:96, :128]
    blob = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6**2))
    resized, factors = resize_longest(np.repeat(blob.round().astype(np.uint8)[..., None], 3, axis=2), longest)
    mass = resized[..., 0].astype(float)
    rows, columns = np.mgrid[: mass.shape[0], : mass.shape[1]]
    center = np.array([(columns * mass).sum(), (rows * mass).sum()]) / mass.sum()
    np.testing.assert_allclose(center, scale_points(np.array([[x, y]]), factors)[0], atol=0.05)


def test_scale_points_keeps_the_image_corners():
    corners = np.array([[-0.5, -0.5], [99.5, 49.5]])
    np.testing.assert_allclose(scale_points(corners, np.array([0.5, 2.0])), [[-0.5, -0.5], [49.5, 99.5]])


@pytest.mark.parametrize("orientation", range(1, 10))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_size_is_that_of_the_photo_upright_or_not(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(smooth(16, 24)).save(path, exif=exif)
    for upright in (True, False):
        assert image_size(path, upright) == read_image(path, upright).shape[1::-1]
    assert image_size(path) == ((16, 24) if orientation in (5, 6, 7, 8) else (24, 16))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_as_the_camera_wrote_it(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(smooth(16, 24)).save(tmp_path / "a.tif", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", upright=False), smooth(16, 24))


RAMP = np.linspace(0, 1, 2500, dtype=np.float32).reshape(50, 50)


@pytest.mark.parametrize(
    ("values", "darkest", "brightest"),
    [
        (RAMP, 0, 255),
        (RAMP * 0.5, 0, 128),
        (RAMP * 10, 0, 255),
        (RAMP * 200 + 50, 0, 255),
        (RAMP * 2000 - 1000, 0, 255),
        (RAMP * 1e38, 0, 255),
        ((RAMP * 4000 - 1000).astype(np.int32), 0, 255),
        ((RAMP * 100_000).astype(np.int32), 0, 255),
        ((RAMP * 255).astype(np.int32), 0, 255),
        ((RAMP * 4095).astype(np.int32), 0, 255),
        (np.full((50, 50), 7, np.float32), 0, 0),
    ],
)
def test_32_bit_values_are_scaled_by_what_is_in_them(tmp_path, values, darkest, brightest):
    Image.fromarray(values).save(tmp_path / "a.tif")
    read = read_image(tmp_path / "a.tif")
    assert (read.min(), read.max()) == (darkest, brightest)
    assert (np.diff(read[..., 0].ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("outlier", [np.inf, -np.inf, np.nan, 3e38, -3e38, 1e6])
@pytest.mark.parametrize("values", [RAMP, RAMP * 10, RAMP * 500 - 250], ids=["unit", "meters", "signed"])
def test_one_value_does_not_make_the_others_black(tmp_path, caplog, values, outlier):
    Image.fromarray(values).save(tmp_path / "a.tif")
    expected = read_image(tmp_path / "a.tif")
    spoiled = values.copy()
    spoiled[20, 20] = outlier
    Image.fromarray(spoiled).save(tmp_path / "b.tif")
    read = read_image(tmp_path / "b.tif")
    assert "b.tif" in caplog.text
    assert np.median(np.abs(read.astype(int) - expected)) <= 3
    if not np.isnan(outlier):
        assert read[20, 20, 0] == (255 if outlier > 0 else 0)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("color", [True, False])
def test_hot_pixels_do_not_make_the_others_black(tmp_path, caplog, suffix, bits, color):
    values = np.round(RAMP * (2**bits - 1)).astype(np.uint16)
    values = np.dstack([values] * 3) if color else values
    suffix = ".pgm" if suffix == ".ppm" and not color else suffix
    cv2.imwrite(str(tmp_path / f"a{suffix}"), values)
    expected = read_image(tmp_path / f"a{suffix}")
    values[10, 10] = values[20, 20] = 65535
    cv2.imwrite(str(tmp_path / f"b{suffix}"), values)
    read = read_image(tmp_path / f"b{suffix}")
    assert f"b{suffix}" in caplog.text
    assert (read[10, 10] == 255).all() and (read[20, 20] == 255).all()
    others = np.any(read != 255, axis=2) | np.any(expected == 255, axis=2)
    assert np.array_equal(read[others], expected[others])


def test_no_finite_value_is_refused(tmp_path):
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: none of its values is finite"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("read", [read_image, image_size])
def test_no_permission_is_not_called_broken(tmp_path, monkeypatch, read):
    write_image(tmp_path / "a.png", smooth())

    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match=r"a\.png: no permission to read it"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("place", ["a.png", "folder/b.png"])
def test_another_user_has_no_permission(place):
    """Files of mode 000, and in a folder of mode 000, as someone who is not root meets them."""
    with tempfile.TemporaryDirectory() as folder:  # others may not enter tmp_path
        root = Path(folder)
        write_image(root / "a.png", smooth())
        write_image(root / "folder" / "b.png", smooth())
        root.chmod(0o755)
        (root / "a.png").chmod(0)
        (root / "folder").chmod(0)
        said = said_to_another_user(root / place)
        (root / "folder").chmod(0o755)
    assert said.startswith("ImageError") and "no permission to read it" in said


def said_to_another_user(path: Path) -> str:
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            read_image(path)
        except BaseException as error:
            os.write(sender, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(sender)
    os.waitpid(child, 0)
    with os.fdopen(receiver) as said:
        return said.read()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_an_error_of_the_disk_is_not_called_broken(tmp_path, monkeypatch, number):
    write_image(tmp_path / "a.png", smooth())

    def refuse(path, flags):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match=r"a\.png: cannot be read \(" + os.strerror(number)):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a\nb"),
        NotImplementedError(),
        struct.error("x"),
        EOFError(),
        zlib.error("x"),
        KeyError("x"),
        RecursionError(),
    ],
    ids=repr,
)
def test_whatever_a_decoder_raises_is_an_error_of_this_photo(tmp_path, monkeypatch, error):
    write_image(tmp_path / "a.png", smooth())

    def fail(self):
        raise error

    monkeypatch.setattr(PngImageFile, "load", fail)
    with pytest.raises(ImageError, match=r"a\.png: broken or truncated") as caught:
        read_image(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


def test_too_little_memory_is_reported(tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", smooth())

    def fail(self):
        raise MemoryError

    monkeypatch.setattr(PngImageFile, "load", fail)
    with pytest.raises(ImageError, match=r"a\.png: not enough memory"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a\nb.png", "\udce9.png", "\x1b[31m.png", "nul\0.png"])
def test_any_name_is_one_printable_line(tmp_path, name):
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / name)
    assert str(caught.value).isprintable() and str(caught.value).encode()


def heic(path, orientation=None):
    """Write a HEIC photo whose left half is red, with an EXIF tag."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32, 0], pixels[:, 32:, 2] = 220, 220
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(path, quality=95, exif=exif.tobytes())
    return pixels


def test_heic_is_read(tmp_path):
    pixels = heic(tmp_path / "a.HEIC")
    read = read_image(tmp_path / "a.HEIC")
    assert read.shape == pixels.shape and np.abs(read.astype(int) - pixels).mean() < 8
    assert image_size(tmp_path / "a.HEIC") == (64, 48) and image_orientation(tmp_path / "a.HEIC") == 1


@pytest.mark.parametrize("suffix", ["heic", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_and_avif_are_turned_once(tmp_path, orientation, suffix):
    """Their own properties rotate them; the EXIF tag that cameras write, too, does not rotate them again."""
    pytest.importorskip("pillow_heif.HeifImagePlugin")
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32, 0], pixels[:24, 32:, 1], pixels[24:, :32, 2] = 250, 250, 250
    for name in ("a.png", f"a.{suffix}"):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(tmp_path / name, exif=exif.tobytes(), quality=95)
    turned, read = read_image(tmp_path / "a.png").astype(int), read_image(tmp_path / f"a.{suffix}")
    assert read.shape == turned.shape and np.abs(read - turned).mean() < 8
    assert image_size(tmp_path / f"a.{suffix}") == read.shape[1::-1]
    stored = read_image(tmp_path / f"a.{suffix}", upright=False)
    assert image_size(tmp_path / f"a.{suffix}", upright=False) == stored.shape[1::-1]


def test_heic_without_its_package_is_one_clear_line(tmp_path, monkeypatch):
    heic(tmp_path / "a.heic")
    monkeypatch.setattr(image_reading, "_formats", lambda: image_reading.FORMATS)
    with pytest.raises(ImageError, match=r"a\.heic: HEIC, which another package reads: pip install 'hndesc\[heif\]'"):
        read_image(tmp_path / "a.heic")


def test_a_truncated_heic_is_named(tmp_path):
    heic(tmp_path / "a.heic")
    whole = (tmp_path / "a.heic").read_bytes()
    for size in (40, len(whole) // 2, len(whole) - 9):
        (tmp_path / "a.heic").write_bytes(whole[:size])
        with pytest.raises(ImageError, match=r"a\.heic: "):
            read_image(tmp_path / "a.heic")
