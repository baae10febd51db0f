"""Backbones with random weights, made once."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from hndesc.models.architectures import MODELS
from hndesc.models.backbone import Backbone
from hndesc.models.initial_weights import build_model


@torch.no_grad()
def _calibrate(model: Backbone) -> Backbone:
    """Give batch normalization the statistics of noise, without which a random network's output is all but constant."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = 1.0
    model.train()(torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(9)))
    return model.eval()


@pytest.fixture
def calibrate() -> Callable[[Backbone], Backbone]:
    """Give a random network sensible batch statistics."""
    return _calibrate


@pytest.fixture(scope="session")
def backbones() -> dict[str, Backbone]:
    """Every backbone in evaluation mode."""
    made = {name: build_model(name, "random", seed=1) for name in sorted(MODELS.places)}
    return {name: _calibrate(model).requires_grad_(False) for name, model in made.items()}


@pytest.fixture(params=sorted(MODELS.places))
def backbone(request: pytest.FixtureRequest, backbones: dict[str, Backbone]) -> Backbone:
    """One backbone; tests must not change it."""
    return backbones[request.param]
