"""The guarded import: only the one known error is worked around."""

import importlib

import pytest
import torch

from hndesc.models import torchvision_import
from hndesc.models.torchvision_import import torchvision_models


@pytest.fixture(autouse=True)
def fresh_import():
    torchvision_models.cache_clear()
    yield
    torchvision_models.cache_clear()


def test_models_run() -> None:
    models = torchvision_models()
    assert models is torchvision_models()
    with torch.no_grad():
        assert models.resnet18(weights=None).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)


@pytest.mark.parametrize("error", [RuntimeError("operator torchvision::roi_align is odd"), ImportError("libGL.so")])
def test_other_errors_pass_through(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(name: str) -> None:
        raise error

    before = list(torchvision_import._libraries)
    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(type(error), match=str(error)):
        torchvision_models()
    assert torchvision_import._libraries == before
