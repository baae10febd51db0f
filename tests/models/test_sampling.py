"""Normalization of photos and sampling of dense maps, against analytic truth."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hndesc.models.sampling import IMAGENET_MEAN, IMAGENET_STD, map_stride, normalize_images, sample_descriptors


def _ramp(size: tuple[int, int], stride: int) -> Tensor:
    """A map whose cells hold (1, x, y) of their centers in pixels: its direction gives the place away."""
    rows, columns = (-(-side // stride) for side in size)
    y = (stride * torch.arange(rows, dtype=torch.float64) + (stride - 1) / 2)[:, None].expand(rows, columns)
    x = (stride * torch.arange(columns, dtype=torch.float64) + (stride - 1) / 2)[None].expand(rows, columns)
    return torch.stack([torch.ones_like(x), x, y])[None]


def _places(descriptors: Tensor) -> Tensor:
    return descriptors[..., 1:] / descriptors[..., :1]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(16, 70), st.integers(16, 70), st.integers(0, 2**31))
def test_ramps_are_sampled_exactly_at_any_stride(stride: int, height: int, width: int, seed: int) -> None:
    dense = _ramp((height, width), stride)
    edge = (stride - 1) / 2
    last = [stride * (-(-side // stride) - 1) + edge for side in (width, height)]
    points = torch.rand(1, 20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    points = edge + points * (torch.tensor(last, dtype=torch.float64) - edge)
    found = _places(sample_descriptors(dense, points, (height, width)))
    torch.testing.assert_close(found, points, atol=1e-9, rtol=0)


def test_beyond_the_outer_centers_the_edge_holds() -> None:
    dense = _ramp((32, 48), 4)
    points = torch.tensor([[[-0.5, 10.0], [0.0, 0.0], [47.0, 31.0], [60.0, -7.0]]], dtype=torch.float64)
    expected = torch.tensor([[[1.5, 10.0], [1.5, 1.5], [45.5, 29.5], [45.5, 1.5]]], dtype=torch.float64)
    torch.testing.assert_close(_places(sample_descriptors(dense, points, (32, 48))), expected)


def test_each_image_of_a_batch_is_sampled_at_its_own_points() -> None:
    dense = torch.cat([_ramp((16, 24), 1), 2 * _ramp((16, 24), 1).flip(3)])
    points = torch.tensor([[[3.0, 5.0]], [[7.0, 2.0]]], dtype=torch.float64)
    found = _places(sample_descriptors(dense, points, (16, 24)))
    torch.testing.assert_close(found, torch.tensor([[[3.0, 5.0]], [[16.0, 2.0]]], dtype=torch.float64))


def test_unit_length_and_direction() -> None:
    dense = torch.randn(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    points = torch.tensor([[[2.0, 3.0]], [[5.0, 4.0]]])
    found = sample_descriptors(dense, points, (5, 6))
    expected = torch.stack([dense[0, :, 3, 2], dense[1, :, 4, 5]])
    expected = expected / expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found[:, 0], expected)


def test_zero_vectors_stay_zero_with_finite_gradients() -> None:
    dense = torch.zeros(1, 4, 6, 6, requires_grad=True)
    found = sample_descriptors(dense, torch.tensor([[[2.5, 2.5]]]), (6, 6))
    assert torch.equal(found, torch.zeros(1, 1, 4))
    found.sum().backward()
    assert 0 < dense.grad.abs().max() <= 1e6, "the gradient of a direction that is not there must stay bounded"


def test_no_points() -> None:
    dense = torch.ones(2, 4, 3, 3, requires_grad=True)
    found = sample_descriptors(dense, torch.zeros(2, 0, 2), (12, 12))
    assert found.shape == (2, 0, 4)
    found.sum().backward()


def test_half_precision_maps_keep_the_places_exact() -> None:
    dense = _ramp((16, 16), 1)[:, :, :, :].to(torch.bfloat16)
    found = sample_descriptors(dense, torch.tensor([[[7.25, 3.5]]]), (16, 16))
    assert found.dtype == torch.float32
    torch.testing.assert_close(_places(found), torch.tensor([[[7.25, 3.5]]]))


def test_gradcheck() -> None:
    generator = torch.Generator().manual_seed(1)
    dense = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    points = torch.rand(2, 6, 2, dtype=torch.float64, generator=generator) * 12 + 2
    assert torch.autograd.gradcheck(lambda dense: sample_descriptors(dense, points, (15, 18)), dense)


@given(st.integers(1, 4), st.integers(16, 5000), st.integers(16, 5000))
def test_stride_is_reported_from_the_sizes(stride: int, height: int, width: int) -> None:
    assert map_stride((-(-height // stride), -(-width // stride)), (height, width)) == stride


@pytest.mark.parametrize("cells", [(10, 9), (9, 10), (40, 10)])
def test_a_map_of_another_image_is_refused(cells: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        sample_descriptors(torch.zeros(1, 2, *cells), torch.zeros(1, 1, 2), (40, 40))


def test_normalization_of_bytes_and_floats_agrees() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    batch = normalize_images(image)
    assert batch.shape == (2, 3, 5, 7) and batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    expected = (image[1, 4, 6] / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    np.testing.assert_allclose(batch[1, :, 4, 6].numpy(), expected, atol=1e-5)
    torch.testing.assert_close(normalize_images(torch.from_numpy(image / 255.0)), batch, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 3, 5, 7), (1, 5, 7)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="B x H x W x 3"):
        normalize_images(np.zeros(shape, np.uint8))
