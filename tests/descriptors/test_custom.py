"""A descriptor of somebody's own, named by module and class: through the real steps, and mistakes in it."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hndesc.datasets.listing import list_images
from hndesc.descriptors import descriptor_module, load_descriptor
from hndesc.errors import HndescError
from hndesc.extraction.description import describe_keypoints
from hndesc.extraction.detection import detect_keypoints
from hndesc.io.features import FeatureReader, Features
from hndesc.io.images import write_image
from hndesc.runtime.provenance import file_hash

OWN = """
import numpy as np

class Patches:
    settings = {"made_by": "hand"}

    def __init__(self, radius=4, weights=None):
        self.radius = radius

    def describe(self, image, features):
        r = self.radius
        padded = np.pad(image[..., 1].astype(np.float32), r, mode="edge")
        patches = [padded[y : y + 2 * r + 1, x : x + 2 * r + 1].ravel() for x, y in features.keypoints.astype(int)]
        patches = np.array(patches).reshape(-1, (2 * r + 1) ** 2) + 1e-3
        return patches / np.linalg.norm(patches, axis=1, keepdims=True)

class Long(Patches):
    def describe(self, image, features):
        return 2 * super().describe(image, features)

class Short(Patches):
    def describe(self, image, features):
        return super().describe(image, features)[:-1]

class Broken(Patches):
    def describe(self, image, features):
        return super().describe(image, features) * np.nan

class Failing(Patches):
    def describe(self, image, features):
        return 1 / 0

class Nothing:
    pass

number = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working directory, found there as a user's would be; a new name, for modules are remembered."""
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


@pytest.fixture
def features() -> tuple[np.ndarray, Features]:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    points = np.array([[3, 4], [20, 30], [49, 39]], np.float32)
    return image, Features(points, (50, 40), np.ones(3, np.float32))


def test_through_the_steps(module, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    write_image(tmp_path / "photos/a.png", np.repeat(np.repeat(noise, 10, axis=0), 10, axis=1))
    photos = list_images(tmp_path / "photos")
    detect_keypoints(photos, tmp_path / "k.h5", "sift")
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "f.h5", f"{module}:Patches", radius=3)
    with FeatureReader(tmp_path / "f.h5") as reader:
        found, settings = reader.read("a.png"), reader.settings["descriptor"]
    assert found.descriptors.shape == (len(found), 49) and len(found) > 5
    assert settings["name"] == "Patches" and settings["made_by"] == "hand"
    assert settings["class"] == f"{module}:Patches"
    assert settings["source"] == file_hash(tmp_path / f"{module}.py")


def test_weights_and_settings_reach_the_class(module):
    assert load_descriptor(f"{module}:Patches", "some.pth", radius=2).described_by.radius == 2
    with pytest.raises(HndescError, match=r"Patches' has no setting 'size' .its settings: radius, weights"):
        load_descriptor(f"{module}:Patches", size=2)
    assert descriptor_module(f"{module}:Patches") == "hndesc.descriptors.custom"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Long", "has a descriptor of length 2; scale each to length 1"),
        ("Short", r"shape \(2, 81\) for 3 keypoints"),
        ("Broken", "length nan"),
    ],
)
def test_what_it_returns_is_checked(module, features, kind, message):
    with pytest.raises(HndescError, match=f"descriptor '{module}:{kind}': .*{message}"):
        load_descriptor(f"{module}:{kind}").describe(*features)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nowhere_at_all:Patches",
            r"there is no Python module 'nowhere_at_all'; put nowhere_at_all\.py into the working dir",
        ),
        ("nowhere.at.all:Patches", r"there is no Python module 'nowhere\.at\.all'; put nowhere/at/all\.py into"),
        ("__main__:Patches", "there is no Python module '__main__'"),
        ("builtins:dict", "there is no Python module 'builtins'"),
        ("{module}:Absent", "has no class 'Absent'"),
        ("{module}:number", "has no class 'number'"),
        ("{module}:Nothing", r"no method describe\(image, features\)"),
    ],
)
def test_what_is_no_descriptor(module, name, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))  # as in a shell, however pytest was started
    with pytest.raises(HndescError, match=message):
        load_descriptor(name.format(module=module))


def test_what_it_was_made_with_is_recorded(module, tmp_path):
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"one")
    first = load_descriptor(f"{module}:Patches", weights, radius=3).settings
    assert first["given"] == {"weights": file_hash(weights), "radius": 3}
    weights.write_bytes(b"two")
    assert load_descriptor(f"{module}:Patches", weights, radius=3).settings != first


@pytest.mark.parametrize("settings", ["[]", "{'a': object()}", "{'a': float('nan')}"])
def test_settings_that_cannot_be_stored(module, tmp_path, settings):
    (tmp_path / f"{module}_bad.py").write_text(OWN.replace("""{"made_by": "hand"}""", settings))
    with pytest.raises(HndescError, match="settings"):
        load_descriptor(f"{module}_bad:Patches")


@pytest.mark.parametrize("text", ["def", "import absent_module_of_its_own", "1 / 0"])
def test_a_module_that_cannot_be_imported(module, tmp_path, text):
    (tmp_path / f"{module}_bad.py").write_text(text)
    with pytest.raises(HndescError, match=rf"{module}_bad\.py fails \((SyntaxError|ModuleNotFound|ZeroDivision)"):
        load_descriptor(f"{module}_bad:Patches")


def test_its_own_error_is_told_with_its_traceback(module, features, caplog):
    with pytest.raises(HndescError, match="describe raised ZeroDivisionError"):
        load_descriptor(f"{module}:Failing").describe(*features)
    assert "return 1 / 0" in caplog.text
