"""SuperPoint: weights that are refused, the map of scores, and the keypoints of the published network."""

import pickle

import numpy as np
import pytest
import torch

from hndesc.detectors import load_detector
from hndesc.detectors.selection import keypoints_of_map
from hndesc.detectors.superpoint import SuperPoint, load_superpoint
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader
from hndesc.io.images import read_image


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Random weights, the same each time."""
    generator = torch.Generator().manual_seed(0)
    shapes = {name: value.shape for name, value in SuperPoint().state_dict().items()}
    return {
        name: torch.randn(shape, generator=generator) / max(1, shape[1:].numel()) ** 0.5
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.npz"
    np.savez(path, **{name: value.numpy() for name, value in state.items()})
    return path


def constant(channel: int, weights) -> SuperPoint:
    """A network that gives each cell its highest score at one and the same of its 64 pixels."""
    network, _ = load_superpoint(weights)
    torch.nn.init.zeros_(network.convPb.weight)
    torch.nn.init.zeros_(network.convPb.bias)
    network.convPb.bias.data[channel] = 10.0
    return network


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("channel", "x", "y"), [(0, 0, 0), (3, 3, 0), (8, 0, 1), (63, 7, 7)])
@torch.inference_mode()
def test_a_cells_channels_are_its_pixels_row_by_row(weights, channel, x, y):
    network = constant(channel, weights)
    scores = network.scores(network.encode(torch.rand(1, 1, 24, 32)))[0]
    assert scores.shape == (24, 32)
    peaks = np.argwhere(scores.numpy() > 0.5)
    np.testing.assert_array_equal(peaks, [[r + y, c + x] for r in range(0, 24, 8) for c in range(0, 32, 8)])


@torch.inference_mode()
def test_no_keypoint_channel_empties_every_cell(weights):
    network = constant(64, weights)
    assert network.scores(network.encode(torch.rand(1, 1, 16, 16))).max() < 1e-4


@torch.inference_mode()
def test_descriptors_are_of_unit_length_one_a_cell(weights):
    network, _ = load_superpoint(weights)
    coarse = network.descriptors(network.encode(torch.rand(2, 1, 19, 33)))
    assert coarse.shape == (2, 256, 2, 4)
    torch.testing.assert_close(coarse.norm(dim=1), torch.ones(2, 2, 4))


def test_keypoints_of_map():
    scores = np.zeros((20, 30), np.float32)
    for x, y, score in ((5, 6, 0.5), (7, 7, 0.4), (12, 6, 0.3), (3, 10, 0.9), (20, 10, 0.005), (25, 15, 0.2)):
        scores[y, x] = score
    features = keypoints_of_map(scores, threshold=0.005, nms_radius=3, border=4)
    # (7, 7) is too near to (5, 6), (3, 10) to the edge, and (20, 10) not above the threshold.
    assert features.keypoints.tolist() == [[5, 6], [12, 6], [25, 15]]
    np.testing.assert_array_equal(features.scores, np.array([0.5, 0.3, 0.2], np.float32))
    assert len(keypoints_of_map(scores, 0.005, 3, border=0)) == 4
    assert len(keypoints_of_map(scores, 0.25, 3, border=4)) == 2
    assert len(keypoints_of_map(scores, 0.004, 1, border=4)) == 5


def test_detector_gives_the_strongest_first(weights):
    everything = load_detector("superpoint", weights, threshold=0.0).detect(noise(50, 70))
    some = load_detector("superpoint", weights, threshold=0.0, max_keypoints=7).detect(noise(50, 70))
    assert len(everything) > 20
    assert everything.image_size == (70, 50)
    assert (np.diff(everything.scores) <= 0).all()
    np.testing.assert_array_equal(some.keypoints, everything.keypoints[:7])
    # The network sees whole cells only: 64 x 48 pixels here.
    assert everything.keypoints.min() >= 4
    assert (everything.keypoints < np.array([60, 44])).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 40), (8, 8)])
def test_tiny_images_have_no_keypoint(weights, size):
    features = load_detector("superpoint", weights).detect(noise(*size))
    assert features.keypoints.shape == (0, 2)
    assert features.keypoints.dtype == np.float32
    assert features.scores.shape == (0,)
    assert features.image_size == size[::-1]


def test_settings_tell_the_weights_hash(weights):
    import hashlib

    settings = load_detector("superpoint", weights, max_keypoints=9).settings
    assert settings == {
        "name": "superpoint",
        "weights": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "max_keypoints": 9,
        "border": 4,
        "threshold": 0.005,
        "nms_radius": 3,
        "weights_file": "random.npz",
        "license": "Magic Leap, non-commercial research only",
        "rebuilt": True,
    }


def test_pth_and_npz_load_alike(state, weights, tmp_path):
    torch.save(state, tmp_path / "a.pth")
    from_pth, from_npz = (load_superpoint(path)[0].state_dict() for path in (tmp_path / "a.pth", weights))
    assert from_pth.keys() == from_npz.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(from_pth[name].cpu(), value)
        assert torch.equal(from_npz[name].cpu(), value)


@pytest.mark.parametrize("path", [None, "nowhere/superpoint_v1.pth"])
def test_missing_weights_name_page_license_and_cure(path):
    with pytest.raises(HndescError) as caught:
        load_detector("superpoint", path)
    parts = ("github.com/magicleap/SuperGlue", "non-commercial", "argument, or key of the configuration, weights")
    for part in (*parts, "data/weights/superpoint_v1.pth"):
        assert part in str(caught.value)
    assert str(path or "superpoint needs") in str(caught.value)


def test_tensors_missing_or_of_another_shape(state, tmp_path):
    torch.save({name: value for name, value in state.items() if name != "convDb.bias"}, tmp_path / "a.pth")
    with pytest.raises(HndescError, match=r"a\.pth: not the weights of superpoint: 1 of 24 .*'convDb.bias'"):
        load_superpoint(tmp_path / "a.pth")
    torch.save(state | {"conv1a.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "b.pth")
    with pytest.raises(HndescError, match=r"b\.pth.*1 of 24 .*another shape.*'conv1a.weight'"):
        load_superpoint(tmp_path / "b.pth")
    torch.save([1, 2], tmp_path / "c.pth")
    with pytest.raises(HndescError, match=r"c\.pth.*24 of 24"):
        load_superpoint(tmp_path / "c.pth")


class Dangerous:
    def __reduce__(self):
        return print, ("code of a stranger ran",)


@pytest.mark.parametrize("kind", ["cut short", "empty", "text", "code"])
@pytest.mark.parametrize("suffix", [".pth", ".npz"])
def test_unreadable_weights_are_an_error_that_names_the_file(state, weights, tmp_path, capsys, suffix, kind):
    path = tmp_path / f"a{suffix}"
    if kind == "cut short":
        torch.save(state, path)
        path.write_bytes((weights if suffix == ".npz" else path).read_bytes()[:100_000])
    elif kind == "code":
        path.write_bytes(pickle.dumps(Dangerous(), protocol=2))
    else:
        path.write_bytes(b"" if kind == "empty" else b"a page that says: sign in first\n")
    with pytest.raises(HndescError, match=rf"a\{suffix}: not a readable file of weights .*download it again"):
        load_superpoint(path)
    assert "stranger" not in capsys.readouterr().out


@pytest.mark.golden
@pytest.mark.parametrize("name", ["i_pool/1.ppm", "v_dogman/4.ppm"])
def test_keypoints_of_the_published_network(shared, name):
    """The rebuilt weights give at least 990 of the published code's 1000 keypoints, in nearly the same order."""
    detector = load_detector("superpoint", shared / "weights/superpoint_v1_rebuilt.npz", max_keypoints=1000)
    features = detector.detect(read_image(shared / "data/hpatches_mini" / name))
    with FeatureReader(shared / "golden/hpatches_mini_features.h5") as reader:
        golden = reader.read(name)
    assert features.image_size == golden.image_size
    found = dict(zip(map(tuple, features.keypoints.tolist()), features.scores, strict=True))
    expected = dict(zip(map(tuple, golden.keypoints.tolist()), golden.scores.astype(np.float32), strict=True))
    common = found.keys() & expected.keys()
    assert len(found) == len(expected) == 1000
    assert len(common) >= 990
    assert np.mean([abs(found[point] - expected[point]) for point in common]) < 1e-3
