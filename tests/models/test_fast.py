"""The fast backbone: what it costs, and its pyramid."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from hndesc.errors import HndescError
from hndesc.models.architectures import new_model
from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model


@torch.no_grad()
def _operations(model: Backbone) -> int:
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, 3, 480, 640))
    return counter.get_total_flops()


def test_costs_about_a_third_of_lite_pyramid() -> None:
    fast, pyramid, lite_pyramid = (_operations(new_model(name)) for name in ("fast", "fast_pyramid", "lite_pyramid"))
    assert fast < 3.3e9
    assert fast < pyramid < 1.35 * fast, "octaves of a quarter and a sixteenth of the pixels, padded"
    assert pyramid < 0.36 * lite_pyramid


@torch.no_grad()
def test_octaves_start_from_a_fast(backbones: dict[str, Backbone], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "start.safetensors", backbones["fast"], {})
    pyramid = build_model("fast_pyramid", tmp_path / "start.safetensors").eval()
    photos = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    first, *_ = pyramid(photos).chunk(3, dim=1)
    torch.testing.assert_close(first, functional.normalize(backbones["fast"](photos)))
    save_checkpoint(tmp_path / "other.safetensors", backbones["lite"], {})
    with pytest.raises(HndescError, match=r"other\.safetensors"):
        build_model("fast_pyramid", tmp_path / "other.safetensors")
