"""Focal lengths from EXIF data, against what is known of real cameras."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from hndesc.io.exif import camera_matrix, read_exif_camera


def photo(path: Path, size: tuple[int, int], tags: dict[int, object], outer: dict[int, object] | None = None) -> Path:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags)
    exif.update(outer or {})
    Image.new("RGB", size).save(path, exif=exif)
    return path


def test_the_35_mm_equivalent_is_of_the_diagonal(tmp_path: Path) -> None:
    # 36 mm wide film: 50 mm are 50/36 of the width of a 3:2 photo, whether it is upright or not.
    for size in ((360, 240), (240, 360)):
        camera = read_exif_camera(photo(tmp_path / "a.jpg", size, {0xA405: 50, 0x920A: IFDRational(7)}))
        assert camera.focal == pytest.approx(500) and camera.size == size
    assert read_exif_camera(photo(tmp_path / "b.jpg", (400, 300), {0xA405: 26})).focal == pytest.approx(
        26 * 500 / 43.2666, rel=1e-4
    )


def test_the_sensor_gives_the_focal_length_of_a_resized_photo(tmp_path: Path) -> None:
    # Canon EOS D60: 3072 pixels on 22.7 mm, 20 mm lens; the photo is a third of its size.
    tags = {0x920A: IFDRational(20), 0xA20E: IFDRational(3072000, 894), 0xA210: 2, 0xA002: 3072}
    camera = read_exif_camera(
        photo(tmp_path / "a.jpg", (1024, 683), tags, {0x010F: "Canon", 0x0110: "EOS D60", 0x0112: 6})
    )
    assert camera.focal == pytest.approx(20 / 22.7 * 1024, rel=1e-2)
    assert camera.name == "Canon EOS D60" and camera.size == (1024, 683)


@pytest.mark.parametrize("tags", [{}, {0xA405: 0}, {0x920A: IFDRational(5)}, {0xA405: 65535}])
def test_without_a_possible_focal_length_there_is_the_usual_one(tmp_path: Path, tags: dict[int, object]) -> None:
    camera = read_exif_camera(photo(tmp_path / "a.jpg", (400, 300), tags))
    assert camera.focal is None and camera.focal_or_usual == 480


def test_the_center_of_the_image_is_that_of_its_pixels() -> None:
    assert np.array_equal(camera_matrix(100.0, (5, 3)), [[100, 0, 2], [0, 100, 1], [0, 0, 1]])
