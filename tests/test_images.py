"""Reading photos of every kind, broken ones, resizing and the pixel-centre convention."""

import cv2
import numpy as np
import pytest
from PIL import Image

from hndesc.errors import HndescError, ImageError
from hndesc.images import find_images, read_image, resize_longest, scale_points, to_gray, write_image

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)
DEEP[0, :2] = 0, 65535


def smooth(height: int = 24, width: int = 32) -> np.ndarray:
    """A picture that survives JPEG: each channel a different ramp."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 9, (x + y) * 4], axis=2).astype(np.uint8)


def test_colour_png_is_read_as_it_is(tmp_path):
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
def test_dark_16_bit_gray_stays_dark(tmp_path, suffix):
    path = str(tmp_path / f"a{suffix}")
    cv2.imwrite(path, np.full((4, 4), 200, np.uint16))
    assert read_image(path).max() == 1


def test_big_endian_16_bit_tiff(tmp_path):
    Image.fromarray(DEEP.astype(">u2")).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], np.round(DEEP / 257).astype(np.uint8))


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
def test_16_bit_colour_keeps_its_high_bytes(tmp_path, suffix):
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
    """A blob's centre of mass in the shrunk image lies where scale_points puts it."""
    x, y = 61.3, 40.8
    rows, columns = np.mgrid[:96, :128]
    blob = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6**2))
    resized, factors = resize_longest(np.repeat(blob.round().astype(np.uint8)[..., None], 3, axis=2), longest)
    mass = resized[..., 0].astype(float)
    rows, columns = np.mgrid[: mass.shape[0], : mass.shape[1]]
    centre = np.array([(columns * mass).sum(), (rows * mass).sum()]) / mass.sum()
    np.testing.assert_allclose(centre, scale_points(np.array([[x, y]]), factors)[0], atol=0.05)


def test_scale_points_keeps_the_image_corners():
    corners = np.array([[-0.5, -0.5], [99.5, 49.5]])
    np.testing.assert_allclose(scale_points(corners, np.array([0.5, 2.0])), [[-0.5, -0.5], [49.5, 99.5]])
