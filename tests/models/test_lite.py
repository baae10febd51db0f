"""The small backbone: its budget, and what its local contrast makes of light."""

import pytest
import torch
from torch import Tensor, nn

from hndesc.models.backbone import Backbone
from hndesc.models.lite import local_contrast
from hndesc.models.sampling import IMAGENET_STD, normalize_images


@torch.no_grad()
def _flop(model: nn.Module, height: int, width: int) -> int:
    """Twice the multiplications of all convolutional and linear layers in one forward pass."""
    counts: list[int] = []

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        counts.append(2 * output.numel() * layer.weight[0].numel())

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    model(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    assert len(counts) == len(layers)
    return sum(counts)


def test_the_count_is_right() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8))
    assert _flop(layers, 10, 20) == 2 * (5 * 10 * 8 * 3 * 9 + 5 * 10 * 8 * 9)


def test_budget(backbones: dict[str, Backbone]) -> None:
    model = backbones["lite"]
    assert _flop(model, 480, 640) <= 2e9
    assert sum(values.numel() for values in model.parameters()) < 1_000_000
    assert sum(values.numel() * values.element_size() for values in model.state_dict().values()) <= 4e6


def _scene(seed: int = 0) -> Tensor:
    """A smooth random picture with strong contrast, B x H x W x 3 in [0.2, 0.8]."""
    noise = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(seed))
    pattern = nn.functional.interpolate(noise, size=(96, 96), mode="bilinear", align_corners=False)
    return 0.2 + 0.6 * pattern.permute(0, 2, 3, 1)


@pytest.mark.parametrize("gain", [0.6, 1.2])
@torch.no_grad()
def test_light_matters_little_even_untrained(backbones: dict[str, Backbone], gain: float) -> None:
    model = backbones["lite"]
    cast = torch.tensor([1.0, 0.9, 0.8]) * gain
    day, other, evening = (normalize_images(scene) for scene in (_scene(), _scene(1), _scene() * cast))
    day, other, evening = (nn.functional.normalize(model(photo), dim=1) for photo in (day, other, evening))
    changed_light = (day * evening).sum(1).mean()
    changed_place = (day * other).sum(1).mean()
    assert changed_light > 0.95
    assert changed_light - changed_place > 0.3


def test_local_contrast_of_a_brighter_and_steeper_image_is_the_same() -> None:
    pattern = torch.randn(2, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    plain = local_contrast(pattern, floor=0)
    torch.testing.assert_close(local_contrast(3 * pattern + 0.7, floor=0), plain, atol=1e-4, rtol=0)
    assert plain.std().item() == pytest.approx(1, abs=0.05)


def test_local_contrast_of_a_flat_image_is_nothing() -> None:
    flat = local_contrast(torch.full((1, 1, 32, 32), 0.4))
    torch.testing.assert_close(flat, torch.zeros_like(flat), atol=1e-5, rtol=0)


def test_floor_keeps_faint_noise_faint() -> None:
    """What is lost by rounding to gray levels must not become a picture; one level of noise is half of one."""
    level = 1 / (255 * sum(IMAGENET_STD) / 3)
    generator = torch.Generator().manual_seed(0)
    rounding = level * (torch.rand(1, 1, 64, 64, generator=generator) - 0.5)
    noise = level * torch.randn(1, 1, 64, 64, generator=generator)
    assert local_contrast(rounding).std() < 0.2
    assert local_contrast(noise).std() < 0.55
