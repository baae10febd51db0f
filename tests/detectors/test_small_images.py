"""Images from 1 x 1 to 17 x 17 pixels, and strips, with every detector and descriptor: results, never an exception."""

import numpy as np
import pytest
import torch

from hndesc.descriptors import DESCRIPTORS, load_descriptor
from hndesc.detectors import DETECTORS, load_detector
from hndesc.errors import ImageError
from hndesc.io.features import Features
from hndesc.pretrained import weights

FILES = {
    "aliked": "aliked-n16.pth",
    "disk": "disk-depth-save.pth",
    "r2d2": "r2d2_WASF_N16.pt",
    "superpoint": "superpoint_v1_rebuilt.npz",
    "xfeat": "xfeat.pt",
}
SIZES = [(1, 1), (1, 2), (2, 1), (2, 3), (3, 8), (5, 5), (7, 16), (8, 8), (9, 2), (15, 16), (16, 16), (16, 17), (17, 1)]
SIZES += [(1, 3000), (3000, 2)]
EXTRA = {"sizes": np.full(3, 3, np.float32), "angles": np.zeros(3, np.float32), "scales": np.ones(3, np.float32)}


@pytest.fixture(scope="module", params=["random", "published"])
def find_weights(request: pytest.FixtureRequest):
    """Return a function from a method's name to its file of weights; random networks need none."""
    if request.param == "published":
        folder = request.getfixturevalue("shared") / "weights"
        yield lambda name: folder / FILES[name] if name in FILES else None
        return

    def leave_random(network: torch.nn.Module, *_: object, **__: object) -> dict:
        network.eval()
        return {}

    with pytest.MonkeyPatch.context() as patch:
        for name in FILES:
            module = __import__(f"hndesc.detectors.{name}", fromlist=["load_pretrained"])
            assert module.load_pretrained is weights.load_pretrained
            patch.setattr(module, "load_pretrained", leave_random)
        torch.manual_seed(0)
        yield lambda name: None


def random_image(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", sorted(DETECTORS.places))
def test_detectors(find_weights, name: str) -> None:
    detector = load_detector(name, find_weights(name))
    for size in SIZES:
        found = detector.detect(random_image(size))
        assert found.image_size == size[::-1]
        assert np.isfinite(found.keypoints).all() and np.isfinite(found.scores).all()
        assert (found.keypoints >= -0.5).all() and (found.keypoints <= np.array(size[::-1]) - 0.5).all()


@pytest.mark.parametrize("name", sorted(DESCRIPTORS.places))
def test_descriptors(find_weights, name: str) -> None:
    descriptor = load_descriptor(name, find_weights(name))
    for height, width in SIZES:
        points = np.array([[0, 0], [width - 1, height - 1], [(width - 1) / 2, (height - 1) / 2]], np.float32)
        features = Features(points, (width, height), np.ones(3, np.float32), extra=EXTRA)
        try:
            described = descriptor.describe(random_image((height, width)), features)
        except ImageError as error:
            assert (
                name == "superpoint"
                and min(height, width) < 8
                and f"{width} x {height} pixels is too small" in str(error)
            )
            continue
        lengths = np.linalg.norm(described, axis=1)
        flat = name in ("sift", "rootsift")  # these are 0 where all around is flat
        assert (np.isclose(lengths, 1, atol=1e-3) | (flat & (lengths == 0))).all(), (height, width, lengths)
