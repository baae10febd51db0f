"""The data is checked before the first step, and read on demand."""

import os

import numpy as np
import pytest

from hndesc.errors import HndescError, ImageError
from hndesc.io.features import Features, FeatureWriter
from hndesc.io.images import read_image, write_image
from hndesc.retrieval.neighbor_table import write_neighbors
from hndesc.training.sources import ImageCache, TrainingPhotos, held_out


def open_data(data, **changes) -> TrainingPhotos:
    arguments = {"photos": data.photos, "keypoints": data.keypoints, "stylized": None, "neighbors": None}
    return TrainingPhotos(**(arguments | changes))


def test_photos_keypoints_and_copies_are_read(data):
    photos = open_data(data, stylized=data.stylized)
    assert photos.names == [f"set/{number}.png" for number in range(6)]
    assert photos.size("set/3.png") == (120, 96)
    assert np.array_equal(photos.photo("set/3.png"), read_image(data.photos / "set/3.png"))
    assert np.array_equal(photos.stylized_copy("set/3.png"), read_image(data.stylized / "set/3.jpg"))
    assert photos.keypoints("set/3.png").shape == (200, 2)


def test_keypoints_of_other_photos(data, tmp_path, write_keypoints):
    write_keypoints(tmp_path / "other.h5", {"elsewhere.png": (120, 96)})
    with pytest.raises(HndescError, match=r"other\.h5: contains no keypoints of the photos"):
        open_data(data, keypoints=tmp_path / "other.h5")


def test_a_photo_without_entry_is_named(data):
    write_image(data.photos / "new.png", np.zeros((96, 120, 3), np.uint8))
    with pytest.raises(HndescError, match=r"no keypoints of 'new\.png'"):
        open_data(data)


def test_no_photo_with_keypoints(data, tmp_path, write_keypoints):
    write_keypoints(tmp_path / "empty.h5", {f"set/{number}.png": (120, 96) for number in range(6)}, count=1)
    with pytest.raises(HndescError, match=r"empty\.h5: no photo of the 6 in"):
        open_data(data, keypoints=tmp_path / "empty.h5")


def test_failed_and_empty_entries_are_skipped(data, tmp_path, caplog):
    with FeatureWriter(tmp_path / "some.h5", {}) as writer:
        for number, count in enumerate([3, 2, 1, 0, 5]):
            points = np.zeros((count, 2), np.float32)
            writer.write(f"set/{number}.png", Features(points, (120, 96), np.ones(count, np.float32)))
        writer.fail("set/5.png", "set/5.png: broken")
    assert open_data(data, keypoints=tmp_path / "some.h5").names == ["set/0.png", "set/1.png", "set/4.png"]
    assert "set/5.png is skipped" in caplog.text
    assert "2 photos with fewer than 2 keypoints" in caplog.text


def test_a_missing_copy_is_named(data):
    (data.stylized / "set/4.jpg").unlink()
    with pytest.raises(HndescError, match=r"set/4\.jpg: no stylized copy of 'set/4\.png'"):
        open_data(data, stylized=data.stylized)


def test_the_table_of_copies_is_followed(data):
    (data.stylized / "set/4.jpg").rename(data.stylized / "odd.jpg")
    rows = [f"set/{number}.png\t{'odd' if number == 4 else f'set/{number}'}.jpg\tx\ty\tz" for number in range(6)]
    (data.stylized / "stylized.tsv").write_text("\n".join(["photo\tcopy\tstyle\tclass\tmethod", *rows]) + "\n")
    copy = open_data(data, stylized=data.stylized).stylized_copy("set/4.png")
    assert np.array_equal(copy, read_image(data.stylized / "odd.jpg"))


def test_several_copies_a_photo(data) -> None:
    rows = [f"set/{number}.png\tset/{number}.jpg\ta\tb\tc" for number in range(6)]
    write_image(data.stylized / "2" / "odd.jpg", read_image(data.stylized / "set/4.jpg") // 2)
    rows.append("set/4.png\t2/odd.jpg\ta\tb\tc")
    (data.stylized / "stylized.tsv").write_text("\n".join(["photo\tcopy\tstyle\tclass\tmethod", *rows]) + "\n")
    photos = open_data(data, stylized=data.stylized)
    assert len(photos.copies["set/4.png"]) == 2
    assert np.array_equal(photos.stylized_copy("set/4.png", 0), read_image(data.stylized / "set/4.jpg"))
    assert np.array_equal(photos.stylized_copy("set/4.png", 1), read_image(data.stylized / "2" / "odd.jpg"))
    assert len(photos.copies["set/3.png"]) == 1


def test_a_copy_may_be_smaller_but_not_of_another_shape(data):
    photos = open_data(data, stylized=data.stylized)
    write_image(data.stylized / "set/1.jpg", np.zeros((47, 59, 3), np.uint8))
    write_image(data.stylized / "set/2.jpg", np.zeros((60, 60, 3), np.uint8))
    assert photos.stylized_copy("set/1.png").shape == (47, 59, 3)
    with pytest.raises(HndescError, match=r"set/2\.jpg.*aspect ratio"):
        photos.stylized_copy("set/2.png")


def test_a_photo_of_another_size_than_its_keypoints(data):
    photos = open_data(data)
    write_image(data.photos / "set/1.png", np.zeros((50, 60, 3), np.uint8))
    with pytest.raises(HndescError, match="60x50 pixels, but its keypoints were detected at 120x96"):
        photos.photo("set/1.png")


def test_neighbors_are_photos_of_the_folder(data, tmp_path):
    table = tmp_path / "neighbors.tsv"
    write_neighbors(table, [("set/0.png", "gone.png", 0.9), ("set/0.png", "set/2.png", 0.8)])
    photos = open_data(data, neighbors=table)
    assert photos.neighbors["set/0.png"] == ("set/2.png",)
    assert photos.neighbors["set/1.png"] == ()
    write_neighbors(table, [("a.png", "b.png", 0.9)])
    with pytest.raises(HndescError, match=r"neighbors\.tsv: lists no neighbors"):
        open_data(data, neighbors=table)


def test_the_summary_follows_the_data(data):
    summary = open_data(data, stylized=data.stylized).summary()
    assert (summary["photos"], summary["keypoints"]) == (6, 1200)
    assert open_data(data, stylized=data.stylized).summary() == summary
    write_image(data.stylized / "set/1.jpg", np.zeros((96, 120, 3), np.uint8))
    changed = open_data(data, stylized=data.stylized).summary()
    assert {key for key in summary if changed[key] != summary[key]} == {"stylized_hash"}


def test_the_identity_notices_photos_and_copies_of_equal_size(data):
    opened = open_data(data, stylized=data.stylized)
    found = {opened.identity(), open_data(data, stylized=data.stylized).identity()}
    assert len(found) == 1
    for path in (data.photos / opened.names[0], opened.copies[opened.names[0]][0]):
        state = path.stat()
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
        found.add(opened.identity())
    assert len(found) == 3


def test_the_cache_keeps_the_latest_within_its_capacity(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        write_image(path, np.zeros((10, 10, 3), np.uint8))
    cache = ImageCache(2 * 300)
    first = cache.read(paths[0])
    cache.read(paths[1])
    assert cache.read(paths[0]) is first
    cache.read(paths[2])
    assert cache.held == 600
    assert cache.read(paths[0]) is first
    paths[1].unlink()
    with pytest.raises(ImageError):
        cache.read(paths[1])


def test_a_cache_of_nothing_still_reads(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((10, 10, 3), np.uint8))
    cache = ImageCache(0)
    assert cache.read(tmp_path / "a.png").shape == (10, 10, 3)
    assert cache.held == 0


def test_held_out_photos_stay_the_same_when_others_come():
    names = [f"{number}.jpg" for number in range(100)]
    held = held_out(names, 0.1, 1, seed=3)
    assert len(held) == 10
    assert held_out(names[::-1], 0.1, 1, seed=3) == held
    assert held_out(names, 0.1, 1, seed=4) != held
    more = held_out([*names, *(f"new{number}.jpg" for number in range(100))], 0.1, 1, seed=3)
    assert len(set(held) & set(more)) >= 5
    assert len(held_out(names[:5], 0.1, 2, seed=3)) == 2


def test_several_keypoint_files(data, tmp_path, write_keypoints) -> None:
    sizes = {f"set/{number}.png": (120, 96) for number in range(6)}
    write_keypoints(tmp_path / "second.h5", sizes, count=30)
    photos = open_data(data, keypoints=[data.keypoints, tmp_path / "second.h5"])
    assert photos.total == 6 * 230
    assert [len(photos.keypoints("set/3.png", number)) for number in (0, 1, 0)] == [200, 30, 200]


def test_a_photo_without_keypoints_in_one_file_is_skipped(data, tmp_path, write_keypoints) -> None:
    write_keypoints(tmp_path / "second.h5", {f"set/{number}.png": (120, 96) for number in range(6)}, count=2)
    with FeatureWriter(tmp_path / "third.h5", {}) as writer:
        for number in range(6):
            points = np.zeros((2 if number else 1, 2), np.float32)
            writer.write(f"set/{number}.png", Features(points, (120, 96), np.ones(len(points), np.float32)))
    names = open_data(data, keypoints=[tmp_path / "second.h5", tmp_path / "third.h5"]).names
    assert names == [f"set/{number}.png" for number in range(1, 6)]


def test_a_second_file_of_other_photos_is_named(data, tmp_path, write_keypoints) -> None:
    write_keypoints(tmp_path / "other.h5", {"elsewhere.png": (120, 96)})
    with pytest.raises(HndescError, match=r"other\.h5: contains no keypoints of the photos"):
        open_data(data, keypoints=[data.keypoints, tmp_path / "other.h5"])
