"""CAPS' network: its parts, and the half-way photo that lines its cells up."""

import torch
from torch import nn

from hndesc.models.backbone import Backbone
from hndesc.models.caps import _double


def test_parts(backbones: dict[str, Backbone]) -> None:
    model = backbones["caps"]
    shapes = {name: tuple(values.shape) for name, values in model.encoder.state_dict().items()}
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer3.5.conv3.weight"] == (1024, 256, 1, 1)
    assert not any(name.startswith(("layer4", "fc")) for name in shapes)
    assert model.merge3[0].in_channels == 512 + 512
    assert model.merge2[0].in_channels == 256 + 256
    decoder = [model.up3, model.merge3, model.up2, model.merge2, model.fine]
    assert all([type(layer) for layer in unit] == [nn.Conv2d, nn.BatchNorm2d, nn.ELU] for unit in decoder)
    assert not any("halfway" in name for name in model.state_dict()), "a constant is no weight"


def test_photo_is_taken_one_and_a_half_pixels_on(backbones: dict[str, Backbone]) -> None:
    x = torch.linspace(-1, 1, 20)
    photo = (x**3 - x)[None].expand(1, 3, 20, 20)
    moved = nn.functional.conv2d(photo, backbones["caps"].halfway, groups=3)[0, 0, 0]
    halves = (x[1:-2] + x[2:-1]) / 2
    torch.testing.assert_close(moved, halves**3 - halves, atol=1e-6, rtol=0)


def test_doubling_puts_cell_j_on_cell_2j() -> None:
    x = torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    for size in ((6, 8), (5, 7), (5, 8)):
        doubled = _double(x, torch.Size(size))
        assert doubled.shape[-2:] == size
        torch.testing.assert_close(doubled[..., ::2, ::2], x)
        torch.testing.assert_close(doubled[..., 1, 0], (x[..., 0, 0] + x[..., 1, 0]) / 2)
