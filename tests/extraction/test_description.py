"""From photos to feature files: coordinates, broken photos, resuming, settings."""

import json
import logging
import os
import signal
import subprocess
import sys
from threading import Barrier

import cv2
import h5py
import numpy as np
import pytest

from hndesc import __version__
from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_images
from hndesc.descriptors import load_descriptor
from hndesc.descriptors.views import describe_views
from hndesc.errors import HndescError, ImageError
from hndesc.extraction import description, detection, processing
from hndesc.extraction.description import describe_keypoints, extract
from hndesc.extraction.detection import detect_keypoints
from hndesc.io.features import FeatureReader, Features, FeatureWriter
from hndesc.io.images import read_image, write_image
from hndesc.models.bundled import DEFAULT


def texture(seed: int, size: tuple[int, int] = (160, 120)) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(size[1], size[0])).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    gray = (128 + 50 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


@pytest.fixture
def photos(tmp_path) -> list[ImageEntry]:
    for index, name in enumerate(("a.png", "night/b.png", "night/c.png")):
        write_image(tmp_path / "photos" / name, texture(index))
    return list_images(tmp_path / "photos")


def arrays(path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same_arrays(a, b) -> None:
    first, second = arrays(a), arrays(b)
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_detection_stores_keypoints_and_settings(photos, tmp_path):
    detect_keypoints(photos, tmp_path / "k.h5", "sift", max_keypoints=20, border=9)
    with FeatureReader(tmp_path / "k.h5") as reader:
        assert reader.names() == ["a.png", "night/b.png", "night/c.png"]
        assert reader.settings["hndesc"] == __version__
        assert reader.settings["resize_max"] is None
        assert reader.settings["detector"]["name"] == "sift"
        assert reader.settings["detector"]["max_keypoints"] == 20
        assert reader.settings["detector"]["border"] == 9
        features = reader.read("night/b.png")
    assert features.descriptors is None
    assert features.image_size == (160, 120)
    assert len(features) == 20


def test_description_adds_descriptors_to_the_same_keypoints(photos, tmp_path):
    detect_keypoints(photos, tmp_path / "k.h5", "sift")
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    keypoints, features = arrays(tmp_path / "k.h5"), arrays(tmp_path / "f.h5")
    assert features.keys() - keypoints.keys() == {f"{photo.name}/descriptors" for photo in photos}
    for name in keypoints:
        np.testing.assert_array_equal(keypoints[name], features[name])
    with FeatureReader(tmp_path / "f.h5") as reader:
        assert reader.settings["detector"] == FeatureReader(tmp_path / "k.h5").settings["detector"]
        assert reader.settings["descriptor"]["name"] == "sift"
        assert reader.settings["resize_max"] is None


def test_half_precision_halves_descriptors_alone(photos, tmp_path):
    detect_keypoints(photos, tmp_path / "k.h5", "sift")
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "h.h5", "sift", precision="float16")
    with FeatureReader(tmp_path / "f.h5") as whole, FeatureReader(tmp_path / "h.h5") as half:
        assert half.settings == whole.settings | {"precision": "float16"}
        first, second = (reader.read(photos[1].name) for reader in (whole, half))
    assert (first.descriptors.dtype, second.descriptors.dtype) == (np.float32, np.float16)
    np.testing.assert_allclose(first.descriptors, second.descriptors, atol=5e-4)
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    with pytest.raises(HndescError, match="unknown precision 'float8'; choose one of: float32, float16"):
        describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "h.h5", "sift", precision="float8")


def test_further_views_are_stored_beside_the_image_itself(photos, tmp_path):
    extract(photos, tmp_path / "one.h5", DEFAULT, max_keypoints=20)
    extract(photos, tmp_path / "all.h5", DEFAULT, max_keypoints=20, views=True)
    describe_keypoints(photos, tmp_path / "one.h5", tmp_path / "half.h5", DEFAULT, precision="float16", views=True)
    read = {}
    for name in ("one", "all", "half"):
        with FeatureReader(tmp_path / f"{name}.h5") as reader:
            assert reader.settings.get("views") == (None if name == "one" else True)
            read[name] = reader.read(photos[1].name)
    np.testing.assert_array_equal(read["all"].descriptors, read["one"].descriptors)
    expected = describe_views(load_descriptor(DEFAULT), read_image(photos[1].path), read["one"])[1:]
    np.testing.assert_array_equal(read["all"].views, expected)
    assert read["half"].views.dtype == np.float16 and read["one"].views is None
    np.testing.assert_allclose(read["half"].views, expected, atol=1e-3)


def test_descriptors_that_turn_with_their_keypoints_have_one_view(photos, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    extract(photos, tmp_path / "all.h5", "rootsift", views=True)
    extract(photos, tmp_path / "one.h5", "rootsift")
    assert_same_arrays(tmp_path / "all.h5", tmp_path / "one.h5")
    assert "rootsift describes images in one view: it uses the sizes and orientations" in caplog.text


def test_at_full_resolution_descriptors_are_opencvs_own(photos, tmp_path):
    extract(photos, tmp_path / "f.h5", "sift")
    gray = read_image(photos[0].path)[..., 0]
    keypoints, expected = cv2.SIFT_create(enable_precise_upscale=True).detectAndCompute(gray, None)
    rows = {(*keypoint.pt, keypoint.angle): row for row, keypoint in enumerate(keypoints)}
    with FeatureReader(tmp_path / "f.h5") as reader:
        features = reader.read(photos[0].name)
    places = np.column_stack([features.keypoints, features.extra["angles"]]).tolist()
    expected = expected[[rows[tuple(place)] for place in places]]
    np.testing.assert_allclose(
        features.descriptors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6
    )


def test_keypoints_of_a_shrunk_photo_are_in_pixels_of_the_original(tmp_path):
    x, y = 231.4, 150.9
    rows, columns = np.mgrid[:300, :400]
    blob = 90 + 120 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 9**2))
    write_image(tmp_path / "photos" / "a.png", np.repeat(blob.round().astype(np.uint8)[..., None], 3, axis=2))
    found = {}
    for resize_max in (None, 160):
        path = tmp_path / f"{resize_max}.h5"
        detect_keypoints(list_images(tmp_path / "photos"), path, resize_max=resize_max)
        with FeatureReader(path) as reader:
            assert reader.settings["resize_max"] == resize_max
            found[resize_max] = reader.read("a.png")
        assert found[resize_max].image_size == (400, 300)
        np.testing.assert_allclose(found[resize_max].keypoints[0], [x, y], atol=0.1)
    assert found[160].extra["sizes"][0] == pytest.approx(found[None].extra["sizes"][0], rel=0.05)


class Recorder:
    """A descriptor that keeps what it is given."""

    def __init__(self):
        self.settings = {"name": "recorder"}
        self.seen = []

    def describe(self, image, features):
        self.seen.append((image, features))
        return np.ones((len(features), 4), np.float32) / 2


def test_described_at_the_resolution_of_detection(photos, tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(description, "load_descriptor", lambda *_: recorder)
    detect_keypoints(photos[:1], tmp_path / "k.h5", resize_max=80)
    describe_keypoints(photos[:1], tmp_path / "k.h5", tmp_path / "f.h5", "any")
    describe_keypoints(photos[:1], tmp_path / "k.h5", tmp_path / "g.h5", "any", resize_max=40)
    stored = FeatureReader(tmp_path / "k.h5").read("a.png")
    for (image, features), width in zip(recorder.seen, (80, 40), strict=True):
        assert image.shape == (width * 3 // 4, width, 3)
        assert features.image_size == (width, width * 3 // 4)
        np.testing.assert_allclose(features.keypoints, (stored.keypoints + 0.5) * width / 160 - 0.5, atol=1e-4)
        np.testing.assert_allclose(features.extra["sizes"], stored.extra["sizes"] * width / 160, rtol=1e-5)
    assert FeatureReader(tmp_path / "f.h5").settings["resize_max"] == 80
    assert FeatureReader(tmp_path / "g.h5").settings["resize_max"] == 40


@pytest.mark.parametrize("resize_max", [None, 100])
def test_extract_equals_detection_and_description(photos, tmp_path, resize_max):
    detect_keypoints(photos, tmp_path / "k.h5", max_keypoints=30, resize_max=resize_max, nms_radius=4)
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "rootsift")
    extract(photos, tmp_path / "e.h5", "rootsift", max_keypoints=30, resize_max=resize_max, nms_radius=4)
    assert_same_arrays(tmp_path / "e.h5", tmp_path / "f.h5")
    assert FeatureReader(tmp_path / "e.h5").settings == FeatureReader(tmp_path / "f.h5").settings


def test_twice_the_same_bytes(photos, tmp_path):
    for name in ("a.h5", "b.h5"):
        extract(photos, tmp_path / name, "sift")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_box_is_cut_before_anything_else(photos, tmp_path):
    box = ImageEntry("query", photos[0].path, (30, 20, 130, 100))
    detect_keypoints([box], tmp_path / "k.h5", border=0)
    with FeatureReader(tmp_path / "k.h5") as reader:
        features = reader.read("query")
    assert features.image_size == (100, 80)
    assert (features.keypoints < (100, 80)).all()


@pytest.mark.parametrize(
    "image", [np.zeros((1, 1, 3), np.uint8), np.full((40, 50, 3), 9, np.uint8), np.zeros((40, 50), np.uint8)]
)
def test_photo_without_keypoints_is_an_empty_entry_and_a_warning(tmp_path, image, caplog):
    caplog.set_level(logging.INFO)
    write_image(tmp_path / "photos" / "a.png", image)
    photos = list_images(tmp_path / "photos")
    detect_keypoints(photos, tmp_path / "k.h5", resize_max=32)
    assert "no keypoint in 'a.png'" in caplog.text
    assert caplog.messages[-1].endswith("k.h5: 1 image, 0 skipped, 1 without keypoints")
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    with FeatureReader(tmp_path / "f.h5") as reader:
        features = reader.read("a.png")
        assert reader.failed == {}
    assert features.keypoints.shape == (0, 2)
    assert features.descriptors.shape == (0, 128)
    assert features.image_size == (image.shape[1], image.shape[0])


def test_broken_and_vanished_photos_are_skipped_named_and_passed_on(photos, tmp_path, caplog):
    photos[0].path.unlink()
    photos[1].path.write_bytes(photos[1].path.read_bytes()[:300])
    with caplog.at_level(logging.WARNING):
        detect_keypoints(photos, tmp_path / "k.h5")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "a.png" in warnings[0]
    assert "b.png" in warnings[1]
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    for name in ("k.h5", "f.h5"):
        with FeatureReader(tmp_path / name) as reader:
            assert reader.names() == ["night/c.png"]
            assert reader.failed.keys() == {"a.png", "night/b.png"}
            assert "no such image" in reader.failed["a.png"]
            assert "truncated" in reader.failed["night/b.png"]


def test_photo_vanished_before_description(photos, tmp_path):
    detect_keypoints(photos, tmp_path / "k.h5")
    photos[2].path.unlink()
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    with FeatureReader(tmp_path / "f.h5") as reader:
        assert reader.names() == ["a.png", "night/b.png"]
        assert reader.failed.keys() == {"night/c.png"}


def test_no_photo_at_all_is_an_error(photos, tmp_path):
    for photo in photos:
        photo.path.write_bytes(b"")
    with pytest.raises(HndescError, match=r"k\.h5: none of 3 images is readable.*a\.png"):
        detect_keypoints(photos, tmp_path / "k.h5")
    with pytest.raises(HndescError, match="no images to process"):
        detect_keypoints([], tmp_path / "k.h5")
    assert not (tmp_path / "k.h5").exists()


def test_photos_mended_after_a_total_failure_are_tried_again(photos, tmp_path):
    whole = {photo.path: photo.path.read_bytes() for photo in photos}
    for path in whole:
        path.write_bytes(b"")
    with pytest.raises(HndescError):
        detect_keypoints(photos, tmp_path / "k.h5")
    for path, content in whole.items():
        path.write_bytes(content)
    detect_keypoints(photos, tmp_path / "k.h5")
    detect_keypoints(photos, tmp_path / "fresh.h5")
    assert FeatureReader(tmp_path / "k.h5").failed == {}
    assert_same_arrays(tmp_path / "k.h5", tmp_path / "fresh.h5")


def test_keypoints_of_other_photos_are_an_error(photos, tmp_path):
    detect_keypoints(photos[:2], tmp_path / "k.h5")
    with pytest.raises(HndescError, match=r"k\.h5: no features of 'night/c.png' \(was it made from another"):
        describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    write_image(photos[0].path, texture(0, (100, 120)))
    with pytest.raises(HndescError, match=r"'a.png' belong to .* \(160, 120\), but .*a.png has \(100, 120\)"):
        describe_keypoints(photos[:2], tmp_path / "k.h5", tmp_path / "g.h5", "sift")


def test_keypoints_of_another_program(photos, tmp_path):
    with h5py.File(tmp_path / "k.h5", "w") as file:
        for photo in photos:
            file[f"{photo.name}/keypoints"] = np.array([[30.5, 40], [80, 60]], np.float16)
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    with FeatureReader(tmp_path / "f.h5") as reader:
        assert reader.settings["detector"] is None
        assert reader.read("a.png").descriptors.shape == (2, 128)
        assert reader.read("a.png").keypoints.tolist() == [[30.5, 40], [80, 60]]


def test_interrupted_run_resumes(photos, tmp_path, monkeypatch):
    calls = []
    original = detection.detect

    def interrupted(detector, image, resize_max):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return original(detector, image, resize_max)

    monkeypatch.setattr(detection, "detect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        detect_keypoints(photos, tmp_path / "k.h5")
    calls.clear()
    assert not (tmp_path / "k.h5").exists()
    detect_keypoints(photos, tmp_path / "k.h5")
    assert len(calls) == 1
    monkeypatch.undo()
    detect_keypoints(photos, tmp_path / "whole.h5")
    assert_same_arrays(tmp_path / "k.h5", tmp_path / "whole.h5")


def test_photos_no_longer_listed_are_dropped_on_resuming(photos, tmp_path, monkeypatch):
    original = FeatureWriter.write

    def interrupted(self, name, features):
        if name == "night/c.png":
            raise KeyboardInterrupt
        original(self, name, features)

    monkeypatch.setattr(FeatureWriter, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        detect_keypoints(photos, tmp_path / "k.h5")
    monkeypatch.undo()
    detect_keypoints(photos[1:], tmp_path / "k.h5")
    assert FeatureReader(tmp_path / "k.h5").names() == ["night/b.png", "night/c.png"]


def interrupted_at(name, work):
    """Do some work up to a photo."""
    original = FeatureWriter.write

    def write(self, entry, features):
        if entry == name:
            raise KeyboardInterrupt
        original(self, entry, features)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(FeatureWriter, "write", write)
        work()


def test_other_keypoints_of_equal_settings_are_not_mixed(photos, tmp_path):
    for place, row in (("u1.h5", [30.5, 40]), ("u2.h5", [50, 60])):
        with h5py.File(tmp_path / place, "w") as file:
            for photo in photos:
                file[f"{photo.name}/keypoints"] = np.array([row], np.float32)
    interrupted_at("night/c.png", lambda: describe_keypoints(photos, tmp_path / "u1.h5", tmp_path / "k.h5", "sift"))
    describe_keypoints(photos, tmp_path / "u2.h5", tmp_path / "k.h5", "sift")
    describe_keypoints(photos, tmp_path / "u2.h5", tmp_path / "whole.h5", "sift")
    assert_same_arrays(tmp_path / "k.h5", tmp_path / "whole.h5")


def pad(path, size):
    """Add bytes to an image file, which decoders leave alone, and set its time to a certain one."""
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    os.utime(path, ns=(0, 10**18))


@pytest.mark.parametrize("change", ["another photo", "another of equal size and time", "another folder", "another box"])
def test_a_photo_that_was_replaced_is_worked_on_again(photos, tmp_path, change, monkeypatch):
    for photo in photos:
        pad(photo.path, max(one.path.stat().st_size for one in photos))
    interrupted_at("night/c.png", lambda: detect_keypoints(photos, tmp_path / "k.h5"))
    path, size = photos[0].path, photos[0].path.stat().st_size
    if change in ("another photo", "another of equal size and time"):
        path.write_bytes(path.with_name("night").joinpath("b.png").read_bytes())
        if "equal" in change:
            pad(path, size)
    elif change == "another folder":
        (tmp_path / "photos").rename(tmp_path / "elsewhere")
        photos = [ImageEntry(photo.name, tmp_path / "elsewhere" / photo.name) for photo in photos]
    else:
        photos[0] = ImageEntry(photos[0].name, path, (0, 0, 100, 100))
    assert photos[0].path.stat().st_size == size
    detected = []
    original = detection.detect
    monkeypatch.setattr(detection, "detect", lambda *inputs: detected.append(1) or original(*inputs))
    detect_keypoints(photos, tmp_path / "k.h5")
    assert len(detected) == (3 if change == "another folder" else 2)
    detect_keypoints(photos, tmp_path / "whole.h5")
    assert_same_arrays(tmp_path / "k.h5", tmp_path / "whole.h5")


KILLED = """
import os, signal, sys
from hndesc.datasets.listing import list_images
from hndesc.extraction import detection
original = detection.detect
count = 0
def deadly(*arguments):
    global count
    count += 1
    if count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)
detection.detect = deadly
detection.detect_keypoints(list_images(sys.argv[1]), sys.argv[2])
"""


def test_killed_run_resumes(photos, tmp_path):
    command = [sys.executable, "-c", KILLED, tmp_path / "photos", tmp_path / "k.h5"]
    assert subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode == -signal.SIGKILL
    with h5py.File(tmp_path / "k.h5.part") as file:
        assert "detector" in json.loads(file.attrs["settings"])
        assert set(file["night"]) == {"b.png"}
    detect_keypoints(photos, tmp_path / "k.h5")
    detect_keypoints(photos, tmp_path / "whole.h5")
    assert_same_arrays(tmp_path / "k.h5", tmp_path / "whole.h5")
    assert FeatureReader(tmp_path / "k.h5").settings == FeatureReader(tmp_path / "whole.h5").settings


def test_a_photo_without_anything_at_its_keypoints_is_skipped_by_name(photos, tmp_path, caplog):
    write_image(photos[0].path, np.full((120, 160, 3), 90, np.uint8))
    with h5py.File(tmp_path / "k.h5", "w") as file:
        for photo in photos:
            file[f"{photo.name}/keypoints"] = np.array([[30.5, 40], [80, 60]], np.float16)
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    with FeatureReader(tmp_path / "f.h5") as reader:
        assert reader.names() == ["night/b.png", "night/c.png"]
        assert "all zero" in reader.failed["a.png"]
    assert "skipped 'a.png'" in caplog.text


def test_unknown_parts_are_reported_before_any_work(photos, tmp_path):
    with pytest.raises(HndescError, match="unknown detector 'orb'"):
        detect_keypoints(photos, tmp_path / "k.h5", "orb")
    with pytest.raises(HndescError, match="neither a descriptor"):
        extract(photos, tmp_path / "k.h5", "nowhere.safetensors")
    with pytest.raises(HndescError, match=r"k\.h5: no such feature file"):
        describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", "sift")
    assert list(tmp_path.glob("*.h5*")) == []


@pytest.mark.parametrize("most_threads", [0, 4], ids=["processes", "threads"])
def test_several_at_a_time_write_what_one_writes(photos, tmp_path, caplog, monkeypatch, most_threads):
    monkeypatch.setattr(processing, "_MOST_THREADS", most_threads)
    folder = tmp_path / "photos"
    (folder / "night" / "broken.png").write_bytes(b"no image")
    write_image(folder / "flat.png", np.full((120, 160, 3), 90, np.uint8))
    listed = list_images(folder)
    for number in (1, 2):
        extract(listed, tmp_path / f"all{number}.h5", DEFAULT, max_keypoints=40, workers=number)
        detect_keypoints(listed, tmp_path / f"k{number}.h5", max_keypoints=40, workers=number)
        describe_keypoints(listed, tmp_path / f"k{number}.h5", tmp_path / f"d{number}.h5", "rootsift", workers=number)
    for kind in ("all", "k", "d"):
        first, second = (tmp_path / f"{kind}{number}.h5" for number in (1, 2))
        found = [arrays(first), arrays(second)]
        assert found[0].keys() == found[1].keys()
        for name in found[0]:  # one thread may sum in another order than several
            np.testing.assert_allclose(found[0][name], found[1][name], atol=1e-5, err_msg=name)
        with FeatureReader(first) as one, FeatureReader(second) as other:
            assert one.failed == other.failed
            assert list(one.failed) == ["night/broken.png"]
            assert one.settings == other.settings
    assert sum("no keypoint in 'flat.png'" in message for message in caplog.messages) == 6


class Meeting:
    """Work that ends once `count` threads have begun it, each with a copy of its own and on one core."""

    barrier = Barrier(3)

    def __call__(self, entry: ImageEntry, image: np.ndarray, stored: Features | None) -> Features:
        self.barrier.wait(60)
        place = np.array([[id(self), cv2.getNumThreads()]], np.float64)
        return Features(place, (image.shape[1], image.shape[0]), np.ones(1))


def test_threads_work_at_a_time_with_copies_of_the_work_on_one_core_each(photos):
    with processing._processor(Meeting(), Meeting.barrier.parties) as process:
        results = list(process((entry, None) for entry in photos))
    assert [entry for entry, _ in results] == photos
    copies, cores = zip(*(features.keypoints[0] for _, features in results), strict=True)
    assert len(set(copies)) == Meeting.barrier.parties
    assert set(cores) == {1}


def test_threads_are_ahead_of_what_is_written_by_a_bounded_number_of_images(photos):
    given = []
    items = (given.append(number) or (photos[0], ImageError("no")) for number in range(20))
    with processing._processor(Meeting(), 2) as process:
        results = process(items)
        assert given == []
        next(results)
        assert len(given) == 1 + 2 * processing._READ_AHEAD
        assert len(list(results)) == len(given) - 1 == 19


def test_results_of_processes_are_bounded():
    given = []

    def process(batch):
        given.append(len(batch))
        return iter(["result"] * len(batch))

    items = ((ImageEntry(str(number), "x"), None) for number in range(20))
    results = processing._in_batches(process, 8, items)
    assert given == []
    assert next(results)[1] == "result"
    assert given == [8]
    assert len(list(results)) == 19
    assert given == [8, 8, 4]
