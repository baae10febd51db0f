"""Lite on an image pyramid: each octave is a `lite` of its own, and starts from the weights of one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import load_checkpoint, save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.sampling import sample_descriptors


def _photos(height: int, width: int) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def start(backbones: dict[str, Backbone], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "lite.safetensors"
    save_checkpoint(path, backbones["lite"], {})
    return path


@pytest.fixture(scope="module")
def pyramid(start: Path) -> Backbone:
    return build_model("lite_pyramid", start).eval()


@torch.no_grad()
def test_each_octave_sees_the_photo_from_twice_as_far(pyramid: Backbone, backbones: dict[str, Backbone]) -> None:
    lite, photos = backbones["lite"], _photos(64, 96)
    octaves = pyramid(photos).chunk(3, dim=1)
    torch.testing.assert_close(octaves[0], functional.normalize(lite(photos)))
    for factor, found in ((2, octaves[1]), (4, octaves[2])):
        seen = functional.normalize(lite(functional.avg_pool2d(photos, factor)))
        # A cell of the enlarged map lies between cells of the octave's: bilinear, in pixels of the photo.
        cells = torch.tensor([[41.5, 29.5], [13.5, 33.5]])
        rows, columns = ((cells[:, axis] - 1.5) / 4 for axis in (1, 0))
        places = (cells + 0.5) / factor - 0.5
        expected = _bilinear(seen[0], (places - 1.5) / 4)
        torch.testing.assert_close(found[0, :, rows.long(), columns.long()].T, expected, atol=1e-5, rtol=1e-4)


def _bilinear(grid: Tensor, places: Tensor) -> Tensor:
    low = places.floor().long()
    right, down = (places - low).T[:, :, None]
    column, row = low.T
    top = grid[:, row, column].T * (1 - right) + grid[:, row, column + 1].T * right
    bottom = grid[:, row + 1, column].T * (1 - right) + grid[:, row + 1, column + 1].T * right
    return top * (1 - down) + bottom * down


@torch.no_grad()
def test_octaves_weigh_the_same(pyramid: Backbone) -> None:
    """The similarity of two keypoints is the mean of the octaves'."""
    points = torch.tensor([[[21.5, 29.5], [49.5, 13.5]]])
    dense = pyramid(_photos(64, 96))
    parts = [functional.normalize(part) for part in dense.chunk(3, dim=1)]
    whole = sample_descriptors(torch.cat(parts, 1), points, (64, 96))[0]
    alone = [sample_descriptors(part, points, (64, 96))[0] for part in parts]
    similar = sum((part @ part.T)[0, 1] for part in alone) / 3
    assert (whole @ whole.T)[0, 1].item() == pytest.approx(similar.item(), abs=1e-5)


def test_what_a_lite_lacks_is_silent_at_first_and_learns(start: Path, backbones: dict[str, Backbone]) -> None:
    model, known = build_model("lite_pyramid", start).train(), backbones["lite"].state_dict()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(_photos(128, 128).repeat(2, 1, 1, 1)).mul(torch.randn(192, 1, 1)).mean().backward()
        optimizer.step()
    for name, values in model.towers[1].named_parameters():
        assert name in known or values.grad.abs().max() > 0, name


def test_octaves_learn_apart(start: Path) -> None:
    model = build_model("lite_pyramid", start).train()
    model(_photos(128, 128).repeat(2, 1, 1, 1)).square().mul(torch.randn(192, 1, 1)).sum().backward()
    first, second, third = (tower.head[3].weight.grad for tower in model.towers)
    assert not torch.allclose(first, second) and not torch.allclose(second, third)


def test_a_checkpoint_of_its_own_comes_back(pyramid: Backbone, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "p.safetensors", pyramid, {})
    again, card = load_checkpoint(tmp_path / "p.safetensors")
    assert card["architecture"] == "lite_pyramid" and card["dim"] == 192
    assert all(torch.equal(values, again.state_dict()[name]) for name, values in pyramid.state_dict().items())


def test_fits_in_four_megabytes_with_half_weights(pyramid: Backbone, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "p.safetensors", pyramid, {}, half=True)
    assert (tmp_path / "p.safetensors").stat().st_size <= 4e6
