"""Sources: where they are found, which part may use which, and what is said when one is missing."""

import hashlib
import importlib.util

import numpy as np
import pytest

from hndesc.datasets.demo import photographs
from hndesc.datasets.demo.photographs import HELD_OUT, SOURCES, STYLES, TRAINING, load
from hndesc.errors import HndescError
from hndesc.io.images import find_images, read_image
from hndesc.io.markers import MARKER
from tests.fixtures.demo import TIMESTAMP


def names(use):
    return {name for name, source in SOURCES.items() if source.use == use}


def test_sources_are_different_images():
    digests = {name: hashlib.sha256(load(name, source.use).tobytes()).hexdigest() for name, source in SOURCES.items()}
    assert len(set(digests.values())) == len(SOURCES)


def test_the_two_photos_of_one_motorcycle_are_on_the_same_side():
    assert SOURCES["motorcycle_left"].use == SOURCES["motorcycle_right"].use


@pytest.mark.parametrize(("name", "use"), [("china", TRAINING), ("flower", HELD_OUT)])
def test_use_for_the_other_purpose_is_refused(name, use):
    with pytest.raises(ValueError, match=name):
        load(name, use)


def test_loaded_photographs_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        load("china", HELD_OUT)[0, 0] = 0


def test_training_photos(demo):
    files = find_images(demo.root / "photos")
    assert {name.split("_")[0].removesuffix(".jpg") for name in files} == names(TRAINING)
    shapes = {name: read_image(demo.root / "photos" / name).shape for name in files}
    assert min(min(shape[:2]) for shape in shapes.values()) >= 256
    quarters = [shape for name, shape in shapes.items() if name.startswith("hubble")]
    assert quarters == [(436, 500, 3)] * 4


def test_styles_have_classes_that_look_as_they_are_called(demo):
    folder = demo.root / "styles"
    assert {path.name for path in folder.iterdir()} - {TIMESTAMP} == {*STYLES, MARKER}
    photos = {s: [read_image(path).astype(float) for path in sorted((folder / s).iterdir())] for s in STYLES}
    assert min(map(len, photos.values())) >= 3
    light = {style: np.mean([photo.mean() for photo in images]) for style, images in photos.items()}
    assert light["night"] < light["dusk"] < light["cloudy"] < light["mist"]
    flower = read_image(demo.root / "photos" / "flower.jpg").astype(float)
    dusk = read_image(folder / "dusk" / "flower.jpg").astype(float)
    assert dusk[..., 0].mean() / dusk[..., 2].mean() > flower[..., 0].mean() / flower[..., 2].mean()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """An installation of scikit-learn that lacks its photographs."""
    load.cache_clear()
    (tmp_path / "sklearn" / "datasets" / "images").mkdir(parents=True)
    (tmp_path / "sklearn" / "__init__.py").touch()
    spec = importlib.util.spec_from_file_location(
        "sklearn", tmp_path / "sklearn" / "__init__.py", submodule_search_locations=[str(tmp_path / "sklearn")]
    )
    monkeypatch.setattr(photographs.importlib.util, "find_spec", lambda name: {"sklearn": spec}.get(name))
    yield tmp_path / "sklearn" / "datasets" / "images"
    load.cache_clear()


def test_missing_photograph(packages):
    with pytest.raises(HndescError, match=r"'china.jpg' of scikit-learn.*no such image.*pip install.*scikit-learn"):
        load("china", HELD_OUT)


def test_broken_photograph(packages):
    (packages / "china.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    with pytest.raises(HndescError, match=r"'china.jpg' of scikit-learn.*replace or remove it"):
        load("china", HELD_OUT)


def test_missing_package(packages):
    with pytest.raises(HndescError, match=r"'grace_hopper.jpg' of matplotlib, which is not installed; reinstall it"):
        load("hopper", TRAINING)
