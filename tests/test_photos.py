"""Lists of photos, and photos cut to a box."""

import numpy as np
import pytest

from hndesc.errors import HndescError, ImageError
from hndesc.images import write_image
from hndesc.photos import Photo, list_photos


@pytest.fixture
def coordinates(tmp_path):
    """A photo whose pixels hold their own (x, y)."""
    y, x = np.mgrid[:30, :40]
    path = tmp_path / "a.png"
    write_image(path, np.stack([x, y, x * 0], axis=2).astype(np.uint8))
    return path


def test_photo_without_a_box_is_whole(coordinates):
    assert Photo("a", coordinates).read().shape == (30, 40, 3)


def test_box_is_cut_out(coordinates):
    cut = Photo("a", coordinates, (5.0, 7.0, 15.0, 10.0)).read()
    assert cut.shape == (3, 10, 3)
    assert cut[0, 0].tolist() == [5, 7, 0]


def test_fractional_box_takes_every_pixel_that_it_touches(coordinates):
    cut = Photo("a", coordinates, (5.9, 7.2, 14.1, 9.3)).read()
    assert cut[0, 0].tolist() == [5, 7, 0]
    assert cut[-1, -1].tolist() == [14, 9, 0]


def test_box_beyond_the_edge_is_held_inside(coordinates):
    assert Photo("a", coordinates, (-5.0, -5.0, 400.0, 300.0)).read().shape == (30, 40, 3)


@pytest.mark.parametrize("box", [(50, 5, 60, 9), (5, 40, 9, 50), (9, 5, 5, 9)])
def test_box_outside_is_an_error_that_names_the_photo(coordinates, box):
    with pytest.raises(ImageError, match=r"a\.png.*outside"):
        Photo("a", coordinates, box).read()


def test_gone_between_listing_and_reading(coordinates):
    (photo,) = list_photos(coordinates.parent)
    coordinates.unlink()
    with pytest.raises(ImageError, match=r"a\.png: no such image"):
        photo.read()


def test_folder_and_hpatches_list_all_below(tmp_path, coordinates):
    write_image(tmp_path / "v_wall" / "1.ppm", np.zeros((4, 4, 3), np.uint8))
    for kind in ("folder", "hpatches"):
        assert [photo.name for photo in list_photos(tmp_path, kind)] == ["a.png", "v_wall/1.ppm"]
    assert list_photos(tmp_path)[1].path == tmp_path / "v_wall" / "1.ppm"


@pytest.mark.parametrize("place", ["images/images_upright", "images_upright"])
def test_localization_names_are_relative_to_the_upright_folder(tmp_path, place):
    write_image(tmp_path / place / "db" / "1.jpg", np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "elsewhere" / "2.jpg", np.zeros((8, 8, 3), np.uint8))
    assert [photo.name for photo in list_photos(tmp_path, "localization")] == ["db/1.jpg"]


def test_what_cannot_be_listed(tmp_path):
    with pytest.raises(HndescError, match=r"unknown kind of dataset 'video'.*folder"):
        list_photos(tmp_path, "video")
    with pytest.raises(HndescError, match="images_upright"):
        list_photos(tmp_path, "localization")
