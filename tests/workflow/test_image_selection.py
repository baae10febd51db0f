"""Lists of photos, and photos cut to a box."""

import pickle

import numpy as np
import pytest

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError, ImageError
from hndesc.io.images import write_image
from hndesc.retrieval.shortlist import Shortlist, write_shortlist
from hndesc.workflow.image_selection import select_images


@pytest.fixture
def coordinates(tmp_path):
    """A photo whose pixels hold their own (x, y)."""
    y, x = np.mgrid[:30, :40]
    path = tmp_path / "a.png"
    write_image(path, np.stack([x, y, x * 0], axis=2).astype(np.uint8))
    return path


def test_photo_without_a_box_is_whole(coordinates):
    assert ImageEntry("a", coordinates).read().shape == (30, 40, 3)


def test_box_is_cut_out(coordinates):
    cut = ImageEntry("a", coordinates, (5.0, 7.0, 15.0, 10.0)).read()
    assert cut.shape == (3, 10, 3)
    assert cut[0, 0].tolist() == [5, 7, 0]


def test_fractional_box_takes_every_pixel_that_it_touches(coordinates):
    cut = ImageEntry("a", coordinates, (5.9, 7.2, 14.1, 9.3)).read()
    assert cut[0, 0].tolist() == [5, 7, 0]
    assert cut[-1, -1].tolist() == [14, 9, 0]


def test_box_beyond_the_edge_is_held_inside(coordinates):
    assert ImageEntry("a", coordinates, (-5.0, -5.0, 400.0, 300.0)).read().shape == (30, 40, 3)


@pytest.mark.parametrize("box", [(50, 5, 60, 9), (5, 40, 9, 50), (9, 5, 5, 9)])
def test_box_outside_is_an_error_that_names_the_photo(coordinates, box):
    with pytest.raises(ImageError, match=r"a\.png.*outside"):
        ImageEntry("a", coordinates, box).read()


def test_gone_between_listing_and_reading(coordinates):
    (photo,) = list_images(coordinates.parent)
    coordinates.unlink()
    with pytest.raises(ImageError, match=r"a\.png: no such image"):
        photo.read()


def test_a_folder_is_all_images_below(tmp_path, coordinates):
    write_image(tmp_path / "v_wall" / "1.ppm", np.zeros((4, 4, 3), np.uint8))
    assert [photo.name for photo in list_images(tmp_path)] == ["a.png", "v_wall/1.ppm"]
    assert list_images(tmp_path)[1].path == tmp_path / "v_wall" / "1.ppm"


def test_homography_sequences_are_their_images_but_those_skipped(tmp_path, coordinates):
    for name in ("v_wall", "i_dc"):
        for number in range(1, 7):
            write_image(tmp_path / name / f"{number}.ppm", np.zeros((4, 4, 3), np.uint8))
            np.savetxt(tmp_path / name / f"H_1_{number}", np.eye(3))
    write_image(tmp_path / "v_wall" / "7.ppm", np.zeros((4, 4, 3), np.uint8))
    assert len(list_images(tmp_path, "hpatches")) == 12
    chosen = select_images(tmp_path, "hpatches", leave_out=["i_dc", "v_talent"], layout="hpatches")
    assert [photo.name for photo in chosen] == [f"v_wall/{number}.ppm" for number in range(1, 7)]
    assert chosen[0].path == tmp_path / "v_wall" / "1.ppm"
    (tmp_path / "v_wall" / "H_1_3").unlink()
    with pytest.raises(HndescError, match="v_wall/H_1_3: no such file"):
        select_images(tmp_path, "hpatches")


@pytest.mark.parametrize("place", ["images/images_upright", "images_upright"])
def test_localization_names_are_relative_to_the_upright_folder(tmp_path, place):
    write_image(tmp_path / place / "db" / "1.jpg", np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "elsewhere" / "2.jpg", np.zeros((8, 8, 3), np.uint8))
    assert [photo.name for photo in list_images(tmp_path, "localization")] == ["db/1.jpg"]


def test_what_cannot_be_listed(tmp_path):
    with pytest.raises(HndescError, match=r"unknown kind of dataset 'video'.*folder"):
        list_images(tmp_path, "video")
    with pytest.raises(HndescError, match="images_upright"):
        list_images(tmp_path, "localization")


@pytest.fixture
def folder(tmp_path):
    for number in range(7):
        write_image(tmp_path / "photos" / f"{number}.png", np.zeros((4, 4, 3), np.uint8))
    return tmp_path / "photos"


@pytest.mark.parametrize("count", [1, 3, 7])
def test_parts_share_out_all_photos_evenly(folder, count):
    parts = [select_images(folder, part=f"{number}-of-{count}") for number in range(1, count + 1)]
    assert sorted(photo.name for part in parts for photo in part) == [photo.name for photo in select_images(folder)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("part", ["0-of-3", "4-of-3", "2", "a-of-b", "", "-1-of-2"])
def test_what_is_no_part_is_named(folder, part):
    with pytest.raises(HndescError, match=f"'{part}' is not a shard"):
        select_images(folder, part=part)


def test_empty_part_is_an_error(folder):
    with pytest.raises(HndescError, match="part 8-of-8 of 7 photos is empty; ask for at most 7 shards"):
        select_images(folder, part="8-of-8")


def test_only_what_a_shortlist_puts_forward(folder, tmp_path):
    truth = {
        "imlist": ["a", "b", "c"],
        "qimlist": ["q"],
        "gnd": [{"bbx": [0, 0, 4, 4], "easy": [0], "hard": [], "junk": []}],
    }
    (tmp_path / "set" / "jpg").mkdir(parents=True)
    (tmp_path / "set" / "gnd_set.pkl").write_bytes(pickle.dumps(truth))
    names = ["a", "b", "c", *(f"distractors/{number}.png" for number in range(7))]
    write_shortlist(tmp_path / "s.h5", Shortlist(["q"], names, np.array([[9, 2, 0, 1, 3, 4, 5, 6, 7, 8]])))
    chosen = select_images(tmp_path / "set", "retrieval", distractors=folder, shortlist=tmp_path / "s.h5", top=3)
    assert [photo.name for photo in chosen] == ["db/a", "db/c", "query/q", "db/distractors/6.png"]
    assert chosen[-1].path == folder / "6.png"
    assert len(select_images(tmp_path / "set", "retrieval", distractors=folder)) == 11


@pytest.mark.parametrize("folder", ["set/jpg", "set", "linked"])
def test_distractors_that_are_images_of_the_set_are_refused(tmp_path, folder):
    truth = {"imlist": ["a"], "qimlist": ["q"], "gnd": [{"bbx": [0, 0, 1, 1], "easy": [0], "hard": [], "junk": []}]}
    for name in ("a", "q"):
        write_image(tmp_path / "set" / "jpg" / f"{name}.jpg", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "set" / "gnd_x.pkl").write_bytes(pickle.dumps(truth))
    (tmp_path / "linked").symlink_to(tmp_path / "set" / "jpg")
    with pytest.raises(HndescError, match=f"{folder}: images of the dataset itself .* are among these distractors"):
        list_images(tmp_path / "set", "retrieval", tmp_path / folder)
