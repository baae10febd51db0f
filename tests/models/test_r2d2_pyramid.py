"""R2D2's network on an image pyramid."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model


@pytest.mark.parametrize("start", ["r2d2", "r2d2_quarter"])
@torch.no_grad()
def test_starts_from_one_network_for_all_octaves(backbones: dict[str, Backbone], tmp_path: Path, start: str) -> None:
    save_checkpoint(tmp_path / "start.safetensors", backbones[start], {})
    quarter = build_model("r2d2_quarter", tmp_path / "start.safetensors").eval()
    photos = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    octaves = build_model("r2d2_pyramid", tmp_path / "start.safetensors").eval()(photos).split(quarter.dim, dim=1)
    assert len(octaves) == 3
    for factor, octave in zip((1, 2, 4), octaves, strict=True):
        seen = functional.normalize(quarter(functional.avg_pool2d(photos, factor)))
        expected = functional.interpolate(seen, scale_factor=factor, mode="bilinear") if factor > 1 else seen
        torch.testing.assert_close(octave, expected)


def test_octaves_learn_apart() -> None:
    model = build_model("r2d2_pyramid").train()
    photos = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(model.dim, 1, 1, generator=torch.Generator().manual_seed(2))
    (model(photos) * weights).sum().backward()
    gradients: list[Tensor] = [tower.ops[0].weight.grad for tower in model.towers]
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    assert not torch.allclose(gradients[0], gradients[1]) and not torch.allclose(gradients[1], gradients[2])


def test_fits_in_four_megabytes_with_half_weights(backbones: dict[str, Backbone], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "p.safetensors", backbones["r2d2_pyramid"], {}, half=True)
    assert (tmp_path / "p.safetensors").stat().st_size <= 4e6
