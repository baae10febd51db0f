"""Bundled models: by name from Python, from the command line, and as files."""

import inspect
import io
import multiprocessing
import pickle
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import hndesc
import hndesc.extraction.model
import hndesc.models.bundled
from hndesc.cli.main import main
from hndesc.descriptors import load_descriptor
from hndesc.detectors.superpoint import SuperPoint
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features
from hndesc.io.images import write_image
from hndesc.models.checkpoint import load_checkpoint, save_checkpoint
from hndesc.models.initial_weights import build_model


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("box")
    save_checkpoint(folder / "hndesc-tiny.safetensors", build_model("lite", "random", seed=4), {"seed": 4})
    return folder


@pytest.fixture(autouse=True)
def bundled(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hndesc.models.bundled, "FOLDER", box)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return np.repeat(np.repeat(noise, 4, axis=0), 4, axis=1)


KEYPOINTS = [[10.0, 20.0], [80.5, 60.25], [0.0, 119.0]]


def test_three_lines_of_python(image: np.ndarray, box: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "photo.png", image)
    model = hndesc.load("hndesc-tiny")
    descriptors = model.describe(tmp_path / "photo.png", KEYPOINTS)
    assert descriptors.dtype == np.float32 and descriptors.shape == (3, model.dim)
    assert np.linalg.norm(descriptors, axis=1) == pytest.approx(1.0, abs=1e-5)
    network = load_descriptor(box / "hndesc-tiny.safetensors")
    points = np.array(KEYPOINTS, np.float32)
    assert np.array_equal(descriptors, network.describe(image, Features(points, (160, 120), np.ones(3, np.float32))))


def test_arrays_and_gray_photos(image: np.ndarray) -> None:
    model = hndesc.load("hndesc-tiny")
    gray = image[..., 0]
    assert np.array_equal(model.describe(gray, KEYPOINTS), model.describe(np.stack([gray] * 3, axis=-1), KEYPOINTS))
    assert model.describe(image, np.empty((0, 2))).shape == (0, 64)


def test_extract_detects_and_describes(image: np.ndarray) -> None:
    model = hndesc.load("hndesc-tiny", max_keypoints=20)
    keypoints, descriptors = model.extract(image)
    assert 0 < len(keypoints) == len(descriptors) <= 20
    assert np.array_equal(descriptors, model.describe(image, keypoints))


def test_extracted_features_unpack_into_two_and_have_scores(image: np.ndarray) -> None:
    found = hndesc.load("hndesc-tiny", max_keypoints=20).extract(image)
    keypoints, descriptors = found
    assert found.keypoints is keypoints is found[0] and found.descriptors is descriptors is found[1]
    assert found.scores.shape == (20,) and found.scores.dtype == np.float32
    assert (np.diff(found.scores) <= 0).all() and found.scores[0] > found.scores[-1]
    again = pickle.loads(pickle.dumps(found))
    for name in ("keypoints", "descriptors", "scores"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    assert repr(found) == "Extracted(20 keypoints, 64-D)"


def test_a_model_says_what_it_is(box: Path) -> None:
    model = hndesc.load("hndesc-tiny")
    parameters = sum(values.numel() for values in load_checkpoint(box / "hndesc-tiny.safetensors")[0].parameters())
    assert repr(model) == f"Model('hndesc-tiny', dim=64, parameters={parameters}, license=None)"


def test_load_names_its_arguments() -> None:
    own = inspect.signature(hndesc.load).parameters
    inner = inspect.signature(hndesc.extraction.model.load).parameters
    assert [(one.name, one.default) for one in own.values()] == [(one.name, one.default) for one in inner.values()]
    for name in own:
        assert f"        {name}: " in hndesc.load.__doc__


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "hndesc_tiny"}, "did you mean 'hndesc-tiny'"),
        ({"detector": "supperpoint"}, "did you mean 'superpoint'"),
        ({"detector": "superpoint"}, "give the file as detector_weights"),
        ({"detector": "superpoint", "detector_weights": "nowhere.pth"}, r"nowhere\.pth: .* as detector_weights"),
        ({"max_keypoints": 0}, "max_keypoints is 0"),
        ({"max_keypoints": 2.5}, "max_keypoints is 2.5"),
        ({"device": "gpu"}, "device 'gpu'"),
        ({"device": "mps"}, "device 'mps'"),
    ],
)
def test_errors_name_arguments_of_python(settings: dict, message: str) -> None:
    if settings.get("device") == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(HndescError, match=message) as caught:
        hndesc.load(**{"model": "hndesc-tiny", **settings})
    assert "--" not in str(caught.value)


class NoDouble(TorchDispatchMode):
    """Refuse what the device "mps" lacks: 64-bit floating-point numbers."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        values = [one for one in tree_leaves(result) if isinstance(one, torch.Tensor)]
        assert all(one.dtype != torch.float64 for one in values), function
        return result


@pytest.mark.parametrize("architecture", ["lite", "lite_pyramid", "r2d2_pyramid"])
def test_a_network_runs_without_double_precision(image: np.ndarray, tmp_path: Path, architecture: str) -> None:
    save_checkpoint(tmp_path / "m.safetensors", build_model(architecture, "random", seed=0), {"seed": 0})
    model = hndesc.load(tmp_path / "m.safetensors", device="cpu")
    with NoDouble():
        assert model.describe(image, KEYPOINTS).shape == (3, model.dim)


def test_a_file_is_as_good_as_a_name(image: np.ndarray, box: Path) -> None:
    by_file, by_name = hndesc.load(box / "hndesc-tiny.safetensors"), hndesc.load("hndesc-tiny")
    assert by_file.name == by_name.name == "hndesc-tiny"
    assert np.array_equal(by_file.describe(image, KEYPOINTS), by_name.describe(image, KEYPOINTS))


@pytest.mark.parametrize("keypoints", [[1.0, 2.0], [[1.0, 2.0, 3.0]], [[np.nan, 1.0]], [[1], [1, 2]], "xy"])
def test_wrong_keypoints(image: np.ndarray, keypoints: list) -> None:
    with pytest.raises(HndescError, match="N x 2"):
        hndesc.load("hndesc-tiny").describe(image, keypoints)


def forms(image: np.ndarray) -> dict[str, object]:
    """Return the same photo in all forms."""
    opaque = np.concatenate([image, np.full((*image.shape[:2], 1), 255, np.uint8)], axis=2)
    tensor = torch.from_numpy(image)
    return {
        "image of Pillow": Image.fromarray(image),
        "RGBA image of Pillow": Image.fromarray(opaque),
        "float64": image / 255,
        "float32": (image / 255).astype(np.float32),
        "float that overshoots": (image / 255 - 0.5) * 1.000001 + 0.5,
        "uint16": image.astype(np.uint16) * 257,
        "RGBA": opaque,
        "read-only": np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape),
        "strides": np.ascontiguousarray(image[:, ::-1, ::-1])[:, ::-1, ::-1],
        "Fortran order": np.asfortranarray(image),
        "C x H x W": tensor.permute(2, 0, 1),
        "H x W x C": tensor,
        "float C x H x W": tensor.permute(2, 0, 1).float() / 255,
        "with a gradient": (tensor.float() / 255).requires_grad_(),
    }


@pytest.mark.parametrize("form", list(forms(np.zeros((2, 2, 3), np.uint8))))
def test_every_form_of_a_photo(image: np.ndarray, form: str) -> None:
    model = hndesc.load("hndesc-tiny")
    assert np.array_equal(model.describe(forms(image)[form], KEYPOINTS), model.describe(image, KEYPOINTS))


@pytest.mark.parametrize("form", ["H x W", "H x W x 1", "bool image of Pillow", "tensor H x W", "tensor 1 x H x W"])
def test_every_form_of_a_gray_photo(image: np.ndarray, form: str) -> None:
    gray = np.where(image[..., 0] > 99, 255, 0).astype(np.uint8)
    photo = {
        "H x W": gray,
        "H x W x 1": gray[..., None],
        "bool image of Pillow": Image.fromarray(gray > 99),
        "tensor H x W": torch.from_numpy(gray),
        "tensor 1 x H x W": torch.from_numpy(gray)[None],
    }[form]
    model = hndesc.load("hndesc-tiny")
    expected = model.describe(np.repeat(gray[..., None], 3, axis=2), KEYPOINTS)
    assert np.array_equal(model.describe(photo, KEYPOINTS), expected)


def test_transparent_pixels_are_white(image: np.ndarray) -> None:
    clear = np.concatenate([image, np.zeros((*image.shape[:2], 1), np.uint8)], axis=2)
    model = hndesc.load("hndesc-tiny")
    assert np.array_equal(model.describe(clear, KEYPOINTS), model.describe(np.full_like(image, 255), KEYPOINTS))


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((20, 20, 2), np.uint8),
        np.zeros((3, 20, 20), np.uint8),
        np.zeros((1, 20, 20, 3), np.uint8),
        np.zeros(20, np.uint8),
        np.zeros((0, 20, 3), np.uint8),
        np.zeros((20, 20, 3), np.int64),
        np.zeros((20, 20, 3), bool),
        np.zeros((20, 20, 3), complex),
        np.zeros((20, 20), object),
        np.full((20, 20, 3), 255.0),
        np.full((20, 20, 3), -0.5),
        np.full((20, 20, 3), np.nan),
        np.full((20, 20, 3), np.inf, np.float16),
        np.ma.masked_greater(np.ones((20, 20, 3), np.uint8), 0),
        torch.zeros(1, 3, 20, 20),
        torch.zeros(3, 20, 3),
        torch.zeros(3, 20, 20, dtype=torch.int64),
        torch.zeros(3, 20, 20).to_sparse(),
        [[1, 2], [3, 4]],
        ["a.png", "b.png"],
        b"a.png",
        None,
        7,
        io.BytesIO(b"x"),
        Image.new("RGB", (0, 20)),
        Image.new("F", (20, 0)),
    ],
    ids=lambda photo: f"{type(photo).__name__} {getattr(photo, 'dtype', '')} {getattr(photo, 'shape', '')}",
)
def test_wrong_photos(photo: object) -> None:
    with pytest.raises(HndescError, match=r"an image of|a photo of|a tensor cannot|a Pillow image of|an array has"):
        hndesc.load("hndesc-tiny").extract(photo)


@pytest.mark.parametrize("dtype", [">u2", ">f4", "f2", "g"])
def test_every_order_and_size_of_numbers(image: np.ndarray, dtype: str) -> None:
    scaled = (image * np.uint16(257)).astype(dtype) if "u" in dtype else (image / 255).astype(dtype)
    model = hndesc.load("hndesc-tiny")
    assert np.array_equal(model.describe(scaled, KEYPOINTS), model.describe(image, KEYPOINTS))


def test_a_matrix_is_a_gray_photo(image: np.ndarray) -> None:
    model = hndesc.load("hndesc-tiny")
    gray = image[..., 0]
    assert np.array_equal(model.describe(np.asmatrix(gray), KEYPOINTS), model.describe(gray, KEYPOINTS))


def test_an_image_of_pillow_is_bounded_before_it_is_decoded() -> None:
    with pytest.raises(HndescError, match="make it smaller"):
        hndesc.load("hndesc-tiny").extract(Image.new("1", (20_000, 20_000)))


def test_no_program_draws_an_image_of_pillow(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n")
    with Image.open(tmp_path / "x.png") as photo, pytest.raises(HndescError, match="is EPS, which runs a program"):
        hndesc.load("hndesc-tiny").extract(photo)


@pytest.mark.parametrize("error", [RuntimeError("x"), MemoryError(), IndexError(), EOFError(), OverflowError("y")])
def test_whatever_pillow_raises_is_named(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(HndescError, match="a Pillow image of mode L"):
        hndesc.load("hndesc-tiny").extract(Image.new("L", (20, 20)))


@pytest.mark.parametrize(
    "keypoints",
    [
        np.zeros((2, 2), complex),
        np.zeros((2, 2), bool),
        np.zeros((2, 2), "M8[s]"),
        np.zeros((2, 2), [("x", "f4")]),
        np.ma.masked_array([[1.0, 2.0]], [[True, False]]),
        [[1e300, 0.0]],
        [torch.tensor([1.0, 2.0], requires_grad=True)],
        None,
        {},
    ],
    ids=str,
)
def test_what_are_no_keypoints(image: np.ndarray, keypoints: object) -> None:
    with pytest.raises(HndescError, match=r"keypoints|masked"):
        hndesc.load("hndesc-tiny").describe(image, keypoints)


@pytest.mark.parametrize("keypoint", [[-1.5, 3], [3, -1.5], [161.5, 3], [3, 1e30]])
def test_keypoints_outside_the_photo(image: np.ndarray, keypoint: list) -> None:
    with pytest.raises(HndescError, match="1 of 2 keypoints outside its 160 x 120 pixels"):
        hndesc.load("hndesc-tiny").describe(image, [[5.0, 5.0], keypoint])


@pytest.mark.parametrize("keypoints", [[], (), np.zeros((0, 2)), torch.zeros(0, 2)], ids=repr)
def test_no_keypoints(image: np.ndarray, keypoints: object) -> None:
    model = hndesc.load("hndesc-tiny")
    assert model.describe(image, keypoints).shape == (0, model.dim)


@pytest.mark.parametrize("model", [None, 5, b"hndesc-tiny", ["hndesc-tiny"], "x" * 5000, "hndesc-tiny\0", ""], ids=repr)
def test_what_is_no_model(model: object) -> None:
    with pytest.raises(HndescError, match=r"a model of type|neither a bundled model"):
        hndesc.load(model)


@pytest.mark.parametrize("settings", [{"max_keypoints": -3}, {"max_keypoints": 2.5}, {"device": None}], ids=str)
def test_wrong_settings(settings: dict) -> None:
    with pytest.raises(HndescError, match=r"max_keypoints is|device 'None'"):
        hndesc.load("hndesc-tiny", **settings)


@pytest.mark.parametrize("keypoints", [torch.tensor(KEYPOINTS), torch.tensor(KEYPOINTS).requires_grad_()])
def test_keypoints_may_be_a_tensor(image: np.ndarray, keypoints: torch.Tensor) -> None:
    model = hndesc.load("hndesc-tiny")
    assert np.array_equal(model.describe(image, keypoints), model.describe(image, KEYPOINTS))


def test_unknown_model() -> None:
    with pytest.raises(HndescError, match=r"'hndesc-huge' is neither a bundled model \(hndesc-tiny\)"):
        hndesc.load("hndesc-huge")


def test_command_line_and_registry_know_the_name(image: np.ndarray, box: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "photos" / "a" / "photo.png", image)
    main(["extract", str(tmp_path / "photos"), str(tmp_path / "f.h5"), "--descriptor", "hndesc-tiny"])
    with FeatureReader(tmp_path / "f.h5") as reader:
        assert reader.settings["descriptor"]["name"] == "hndesc-tiny"
        stored = reader.read("a/photo.png")
    # Detecting and describing one photo is what `extract` of Python does.
    keypoints, descriptors = hndesc.load("hndesc-tiny").extract(image)
    assert np.allclose(stored.keypoints, keypoints) and np.allclose(stored.descriptors, descriptors, atol=1e-5)


def test_hub_entry_gives_the_network() -> None:
    network = torch.hub.load(str(Path(hndesc.__file__).parents[1]), "hndesc", "hndesc-tiny", source="local")
    assert network.name == "lite" and not network.training
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 8, 8)


def test_an_empty_box_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hndesc.models.bundled, "FOLDER", tmp_path)
    with redirect_stdout(io.StringIO()) as printed:
        main(["models"])
    assert "no bundled model" in printed.getvalue()


class Described(torch.utils.data.Dataset):
    """Descriptors of a photo, as a data set whose items are made by workers."""

    def __init__(self, model: hndesc.extraction.model.Model, image: np.ndarray) -> None:
        self.model, self.image = model, image

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> np.ndarray:
        return self.model.extract(np.roll(self.image, index, axis=1))[1]


@pytest.mark.parametrize("detector", ["sift", "superpoint"])
def test_a_model_can_be_pickled(image: np.ndarray, tmp_path: Path, detector: str) -> None:
    weights = None
    if detector == "superpoint":
        weights = tmp_path / "random.npz"
        np.savez(weights, **{name: values.numpy() for name, values in SuperPoint().state_dict().items()})
    model = hndesc.load("hndesc-tiny", detector=detector, detector_weights=weights, max_keypoints=20, device="cpu")
    again = pickle.loads(pickle.dumps(model))
    assert (again.name, again.dim) == (model.name, model.dim)
    for ours, theirs in zip(model.extract(image), again.extract(image), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["sift", "rootsift"])
def test_descriptors_of_sift_can_be_pickled(image: np.ndarray, name: str) -> None:
    descriptor = load_descriptor(name, default_size=9.0)
    features = Features(np.array(KEYPOINTS, np.float32), (160, 120), np.ones(3, np.float32))
    again = pickle.loads(pickle.dumps(descriptor))
    assert again.settings == descriptor.settings
    assert np.array_equal(again.describe(image, features), descriptor.describe(image, features))


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_use_a_model(image: np.ndarray, method: str) -> None:
    data = Described(hndesc.load("hndesc-tiny", max_keypoints=20, device="cpu"), image)
    expected = [data[index] for index in range(4)]  # starts the threads of this process, of which a fork has none
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=2, multiprocessing_context=method, timeout=100
    )
    for found, wanted in zip(loader, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_forked_process_uses_a_model(image: np.ndarray) -> None:
    large = np.tile(image, (4, 4, 1))
    model = hndesc.load("hndesc-tiny", max_keypoints=20, device="cpu")
    expected = model.extract(large)[1]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.apply_async(model.extract, (large,)).get(timeout=100)[1]
    np.testing.assert_allclose(found, expected, atol=1e-5)
