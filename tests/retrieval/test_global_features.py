import logging

import h5py
import numpy as np
import pytest

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError
from hndesc.io.images import write_image
from hndesc.retrieval import global_features
from hndesc.retrieval.global_features import describe_globally, read_global, stored_names

HALVES = (0.5**0.5, 0.5**0.5)


class MeanBrightness:
    """A descriptor that remembers what it was shown."""

    settings = {"name": "mean_brightness"}  # noqa: RUF012

    def __init__(self):
        self.shapes = []

    def describe(self, image):
        self.shapes.append(image.shape)
        return np.array([image.mean() / 1000, *HALVES], np.float32)  # of length 1, nearly


def brightness(vectors: np.ndarray) -> list[float]:
    """Return the mean of the images that vectors are of."""
    return np.round(1000 * vectors[:, 0], 3).tolist()


@pytest.fixture
def model(monkeypatch):
    model = MeanBrightness()
    monkeypatch.setattr(global_features, "load_global_descriptor", lambda name, weights: model)
    return model


@pytest.fixture
def photos(tmp_path):
    photos = []
    for index in range(3):
        path = tmp_path / "photos" / "sub" / f"{index}.png"
        write_image(path, np.full((20, 40, 3), 10 * index, np.uint8))
        photos.append(ImageEntry(f"sub/{index}.png", path))
    return photos


def test_comes_back_in_the_order_requested(photos, model, tmp_path):
    describe_globally(photos, tmp_path / "g.h5", "mean_brightness", resize_max=10)
    vectors, failed, settings = read_global(tmp_path / "g.h5", ["sub/2.png", "sub/0.png"])
    assert brightness(vectors) == [20, 0]
    assert (failed, settings) == ({}, {"name": "mean_brightness", "resize_max": 10})
    assert model.shapes == [(5, 10, 3)] * 3
    with h5py.File(tmp_path / "g.h5") as file:
        assert file["sub/1.png/global_descriptor"].shape == (3,)


def test_box_is_cut_out_first(photos, model, tmp_path):
    describe_globally(
        [ImageEntry("q", photos[0].path, (0, 0, 30, 15))], tmp_path / "g.h5", "mean_brightness", resize_max=None
    )
    assert model.shapes == [(15, 30, 3)]


def test_broken_photo_is_skipped_named_and_recorded(photos, model, tmp_path, caplog):
    photos[1].path.write_bytes(photos[1].path.read_bytes()[:60])
    with caplog.at_level(logging.WARNING):
        describe_globally(photos, tmp_path / "g.h5", "mean_brightness")
    vectors, failed, _ = read_global(tmp_path / "g.h5", [photo.name for photo in photos])
    assert list(failed) == ["sub/1.png"] and "1.png" in failed["sub/1.png"]
    assert np.isnan(vectors[1]).all() and brightness(vectors[2:]) == [20]
    assert f"skipped {photos[1].path}: " in caplog.text


def test_no_readable_photo_is_an_error(photos, model, tmp_path):
    for photo in photos:
        photo.path.unlink()
    with pytest.raises(HndescError, match="none of 3 images is readable"):
        describe_globally(photos, tmp_path / "g.h5", "mean_brightness")
    assert not (tmp_path / "g.h5").exists()


def test_interrupted_run_resumes_and_tries_broken_photos_again(photos, model, tmp_path, monkeypatch):
    whole = photos[1].path.read_bytes()
    photos[1].path.write_bytes(whole[:60])
    describe = model.describe
    monkeypatch.setattr(model, "describe", lambda image: describe(image) if image.max() < 20 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        describe_globally(photos, tmp_path / "g.h5", "mean_brightness")
    photos[1].path.write_bytes(whole)
    monkeypatch.setattr(model, "describe", describe)
    model.shapes.clear()
    describe_globally(photos, tmp_path / "g.h5", "mean_brightness")
    assert len(model.shapes) == 2  # the first had been done
    vectors, failed, _ = read_global(tmp_path / "g.h5", [photo.name for photo in photos])
    assert failed == {} and brightness(vectors) == [0, 10, 20]


def test_other_settings_and_other_photos_start_over(photos, model, tmp_path, monkeypatch):
    def begin() -> None:
        """Begin a file, and stop at its last photo."""
        describe = model.describe
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(model, "describe", lambda image: describe(image) if image.max() < 20 else 1 / 0)
            describe_globally(photos, tmp_path / "g.h5", "mean_brightness")
        model.shapes.clear()

    begin()
    describe_globally(photos, tmp_path / "g.h5", "mean_brightness", resize_max=20)
    assert len(model.shapes) == 3
    begin()
    write_image(photos[0].path, np.full((20, 40, 3), 100, np.uint8))
    describe_globally(photos, tmp_path / "g.h5", "mean_brightness")
    assert len(model.shapes) == 2
    assert brightness(read_global(tmp_path / "g.h5", ["sub/0.png", "sub/1.png"])[0]) == [100, 10]
    begin()
    describe_globally(photos[1:], tmp_path / "g.h5", "mean_brightness")
    assert stored_names(tmp_path / "g.h5") == ["sub/1.png", "sub/2.png"]


def test_missing_cut_short_and_foreign_files_are_named(photos, model, tmp_path):
    path = tmp_path / "g.h5"
    with pytest.raises(HndescError, match=r"g\.h5: no such file"):
        read_global(path, ["sub/0.png"])
    describe_globally(photos, path, "mean_brightness")
    with pytest.raises(HndescError, match=r"g\.h5: no global descriptor of 'other\.png'"):
        read_global(path, ["sub/0.png", "other.png"])
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(HndescError, match=r"g\.h5: not a complete HDF5 file"):
        read_global(path, ["sub/0.png"])
