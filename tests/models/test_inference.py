"""Networks prepared for inference."""

import pytest
import torch
from torch import nn

from hndesc.models.architectures import MODELS, new_model
from hndesc.models.inference import fold_batch_norm


@pytest.mark.parametrize("name", sorted(MODELS.places))
def test_folding_changes_outputs_by_rounding_only(name: str) -> None:
    generator = torch.Generator().manual_seed(5)
    model = new_model(name).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    images = torch.randn(1, 3, 72, 95, generator=generator)
    with torch.inference_mode():
        expected = model(images)
        folded = fold_batch_norm(model)(images)
    torch.testing.assert_close(folded, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_convolutions_followed_by_something_else_are_kept() -> None:
    convolution = nn.Conv2d(1, 2, 3)
    kept = nn.Sequential(nn.BatchNorm2d(1), convolution, nn.ReLU(), nn.BatchNorm2d(2)).eval()
    assert list(fold_batch_norm(kept)) == list(kept)
    assert kept[1] is convolution


@pytest.mark.parametrize(("name", "left"), [("lite_pyramid", 3), ("fast_pyramid", 0)])
def test_no_normalization_remains_behind_a_convolution_of_bundled_architectures(name: str, left: int) -> None:
    model = fold_batch_norm(new_model(name).eval())
    # In `lite_pyramid` one a tower precedes the convolution that it belongs to.
    assert sum(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == left
