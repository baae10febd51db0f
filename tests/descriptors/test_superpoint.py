"""SuperPoint's own descriptors, sampled as the published code does."""

import numpy as np
import pytest
import torch

from hndesc.descriptors import load_descriptor
from hndesc.descriptors.superpoint import sample_like_reference
from hndesc.detectors.superpoint import SuperPoint
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features
from hndesc.io.images import read_image


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    generator = torch.Generator().manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.npz"
    shapes = {name: value.shape for name, value in SuperPoint().state_dict().items()}
    np.savez(path, **{name: torch.randn(shape, generator=generator).numpy() for name, shape in shapes.items()})
    return path


def at(points: list[list[float]]) -> Features:
    return Features(np.array(points, np.float32).reshape(-1, 2), (40, 32), np.ones(len(points), np.float32))


def test_the_first_cells_center_is_exact_and_the_last_half_a_cell_off():
    """The map is a ramp over the angle, so that the sampled angle tells the place."""
    columns, rows = 6, 4
    angle = torch.linspace(0, 1, columns)
    coarse = torch.stack([angle.cos(), angle.sin()])[None, :, None].expand(1, 2, rows, columns)
    points = torch.tensor([[3.5, 3.5], [8 * columns - 4.5, 12.0]])
    sampled = sample_like_reference(coarse, points)
    found = torch.atan2(sampled[:, 1], sampled[:, 0]) * (columns - 1)
    assert found[0].item() == pytest.approx(0, abs=1e-5)
    expected = (8 * columns - 8) / (8 * columns - 4.5) * (columns - 1)
    assert found[1].item() == pytest.approx(expected, abs=5e-3)
    assert expected < columns - 1


def test_lengths_and_types(weights):
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    values = load_descriptor("superpoint", weights).describe(image, at([[5, 6], [20.5, 17], [36, 28]]))
    assert values.shape == (3, 256)
    assert values.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-5)


def test_no_keypoints_and_too_small_an_image(weights):
    descriptor = load_descriptor("superpoint", weights)
    assert descriptor.describe(np.zeros((5, 5, 3), np.uint8), at([])).shape == (0, 256)
    found = descriptor.describe(np.zeros((6, 5, 3), np.uint8), at([[2, 2]]))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_weights_are_requested_and_named():
    with pytest.raises(HndescError, match="non-commercial"):
        load_descriptor("superpoint")


@pytest.mark.golden
def test_descriptors_of_the_published_network(shared):
    descriptor = load_descriptor("superpoint", shared / "weights/superpoint_v1_rebuilt.npz")
    with FeatureReader(shared / "golden/hpatches_mini_features.h5") as reader:
        golden = reader.read("v_dogman/4.ppm")
    values = descriptor.describe(read_image(shared / "data/hpatches_mini/v_dogman/4.ppm"), golden)
    similarity = (values * golden.descriptors.astype(np.float32)).sum(axis=1)
    assert similarity.min() > 0.995
    assert np.median(similarity) > 0.9999
