"""What every backbone promises: sizes, place of the cells, reach, gradients, determinism."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hndesc.errors import HndescError
from hndesc.models.architectures import MODELS
from hndesc.models.backbone import Backbone
from hndesc.models.initial_weights import build_model
from hndesc.models.sampling import sample_descriptors

NAMES = sorted(MODELS.places)


def _photos(*size: int, count: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(16, 16), (16, 131), (97, 131), (33, 18), (64, 96)])
@torch.no_grad()
def test_size_of_the_map(backbone: Backbone, size: tuple[int, int]) -> None:
    dense = backbone(_photos(*size))
    assert dense.shape == (1, backbone.dim, -(-size[0] // backbone.stride), -(-size[1] // backbone.stride))
    assert dense.isfinite().all()
    assert dense.std() > 0


@pytest.mark.parametrize("flip", ["horizontal", "vertical"])
@torch.no_grad()
def test_cells_sit_where_sampling_believes(backbone: Backbone, calibrate: Callable, flip: str) -> None:
    """With mirror-symmetric kernels, a mirrored photo has the same descriptors at mirrored points: exactly, unless
    the map is shifted against the photo."""
    if backbone.name in ("r2d2_pyramid", "r2d2_quarter"):
        pytest.skip("the pixels that it is computed at are not their own mirror image")
    model = copy.deepcopy(backbone)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.add_(module.weight.flip(2)).add_(module.weight.flip(3)).div_(4)
    calibrate(model)
    # The mirror image of the grids of ResNet's strides is such a grid when the size is 4 more than a multiple of 16.
    extra = 4 if model.name == "caps" else 0
    length = -(-2 * (model.reach + 12) // model.period) * model.period + extra
    axis = 3 if flip == "horizontal" else 2
    size = (32 + extra, length) if axis == 3 else (length, 32 + extra)
    photos = _photos(*size)
    along = length / 2 + torch.tensor([-9.3, -2.75, 0.0, 1.5, 4.1])
    across = torch.tensor([15.0, 16.2, 17.5, 14.9, 15.5])
    points = torch.stack([along, across] if axis == 3 else [across, along], 1)[None]
    mirrored = points.clone()
    mirrored[..., 3 - axis] = length - 1 - mirrored[..., 3 - axis]
    plain = sample_descriptors(model(photos), points, size)
    rotated = sample_descriptors(model(photos.flip(axis)), mirrored, size)
    torch.testing.assert_close(rotated, plain, atol=2e-5, rtol=0)
    moved = mirrored.clone()
    moved[..., 3 - axis] += 0.25
    shifted = sample_descriptors(model(photos.flip(axis)), moved, size)
    assert (shifted - plain).norm(dim=2).min() > 1e-3, "a quarter of a pixel must show, or this test shows nothing"


@pytest.mark.parametrize("name", ["fast", "lite", "r2d2", "r2d2_quarter"])
def test_centroid_of_the_receptive_field(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With positive, even weights the influence of the pixels on a cell balances on the cell's center."""
    monkeypatch.setattr("hndesc.models.lite.local_contrast", lambda luminance: luminance)
    model = build_model(name, "random").eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    side = 2 * -(-(model.reach + 4) // model.period) * model.period
    photos = torch.ones(1, 3, side, side, requires_grad=True)
    dense = model(photos)
    row, column = dense.shape[2] // 2, dense.shape[3] // 2 + 1
    (influence,) = torch.autograd.grad(dense[0, 0, row, column], photos)
    influence = influence[0].sum(0).double()
    pixels = torch.arange(side, dtype=torch.float64)
    for cell, weights in ((row, influence.sum(1)), (column, influence.sum(0))):
        centroid = (weights * pixels).sum() / weights.sum()
        # Bilinear fusion weighs a cell's neighbors by its phase, hence not to the last digit for a pyramid.
        assert centroid.item() == pytest.approx(model.stride * cell + (model.stride - 1) / 2, abs=0.02)


@torch.no_grad()
def test_moving_the_photo_by_a_period_moves_the_map(backbone: Backbone) -> None:
    period, margin = backbone.period, -(-backbone.reach // backbone.stride)
    photos = _photos(16, 2 * backbone.reach + 4 * period + 8)
    there = backbone(photos[..., :-period])
    here = backbone(photos[..., period:])
    cells = period // backbone.stride
    inner = slice(margin, here.shape[-1] - margin - cells)
    assert here[..., inner].shape[-1] > 0
    moved = there[..., margin + cells : there.shape[-1] - margin]
    torch.testing.assert_close(here[..., inner], moved, atol=1e-4, rtol=1e-4)


def test_reach_bounds_the_receptive_field(backbone: Backbone) -> None:
    photos = _photos(64, 2 * backbone.reach + 4 * backbone.period).requires_grad_()
    dense = backbone(photos)
    column = dense.shape[-1] // 2
    farthest = 0.0
    for cell in range(column, column + backbone.period // backbone.stride):
        (influence,) = torch.autograd.grad(dense[..., cell].sum(), photos, retain_graph=True)
        touched = torch.nonzero(influence.abs().sum((0, 1, 2)))
        center = backbone.stride * cell + (backbone.stride - 1) / 2
        farthest = max(farthest, (touched - center).abs().max().item())
    assert backbone.reach - 1 < farthest <= backbone.reach


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name: str) -> None:
    model = build_model(name, "random").train()
    dense = model(_photos(64, 96, count=2))
    points = torch.rand(2, 40, 2, generator=torch.Generator().manual_seed(0)) * 63
    descriptors = sample_descriptors(dense, points, (64, 96))
    (descriptors[0] - descriptors[1].detach()).square().sum().backward()
    for parameter, values in model.named_parameters():
        assert values.grad is not None and values.grad.isfinite().all(), parameter
        assert values.grad.abs().max() > 0, parameter


@torch.no_grad()
def test_evaluation_is_deterministic_and_a_batch_is_its_photos(backbone: Backbone) -> None:
    photos = _photos(48, 64, count=3)
    together = backbone(photos)
    assert torch.equal(together, backbone(photos))
    for photo, dense in zip(photos, together, strict=True):
        torch.testing.assert_close(backbone(photo[None])[0], dense, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_memory_layout_does_not_matter(backbone: Backbone) -> None:
    photos = _photos(37, 50)
    model = copy.deepcopy(backbone).to(memory_format=torch.channels_last)
    last = model(photos.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, backbone(photos), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_seed_decides_the_weights_and_nothing_else_is_touched(name: str) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    one = build_model(name, "random", seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(456)
    two = build_model(name, "random", seed=3).state_dict()
    other = build_model(name, "random", seed=4).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(HndescError, match=rf"unknown model 'vgg'.*{', '.join(NAMES)}"):
        build_model("vgg")


@pytest.mark.parametrize("name", NAMES)
def test_attributes(name: str) -> None:
    model = MODELS.load(name)
    assert model.name == name
    assert 64 <= model.dim <= 384
    assert model.period % model.stride == 0
