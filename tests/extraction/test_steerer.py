"""Steerers: fitted where the map for a quarter turn is known, stored in the checkpoint, and used for rotated views."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hndesc.cli.main import main
from hndesc.datasets.listing import list_images
from hndesc.descriptors import load_descriptor
from hndesc.errors import HndescError
from hndesc.extraction.description import describe_keypoints, extract
from hndesc.extraction.steerer import fit_steerer
from hndesc.io.features import FeatureReader
from hndesc.io.images import write_image
from hndesc.models.architectures import MODELS
from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import load_checkpoint, read_card, save_checkpoint

# In the rotated image, what was on the right is above.
QUARTER_TURN = np.eye(4)[[3, 0, 1, 2]]


class Neighbors(Backbone):
    """Describe a pixel by those 6 pixels to the right, above, to the left and below."""

    name, dim, stride, period, reach = "neighbors", 4, 1, 1, 6

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""
        near = functional.pad(images.mean(1, keepdim=True), (6, 6, 6, 6), "replicate")
        height, width = images.shape[2:]
        corners = ((6, 12), (0, 6), (6, 0), (12, 6))
        return torch.cat([near[:, :, top : top + height, left : left + width] for top, left in corners], dim=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose descriptors turn exactly, and photos."""
    monkeypatch.setitem(MODELS.places, "neighbors", f"{__name__}:Neighbors")
    save_checkpoint(tmp_path / "model.safetensors", Neighbors(), {"scores": []})
    generator = np.random.default_rng(2)
    for number in range(3):
        coarse = generator.integers(0, 256, (19, 24, 3), np.uint8)
        write_image(tmp_path / "photos" / f"{number}.png", coarse.repeat(8, 0).repeat(8, 1)[:150, :190])
    return tmp_path


def fit(folder: Path, checkpoint: str, output: str) -> tuple[float, float]:
    return fit_steerer(folder / checkpoint, list_images(folder / "photos"), folder / output)


def test_a_known_turn_is_found(folder: Path) -> None:
    before, after = fit(folder, "model.safetensors", "steered.safetensors")
    assert before < 0.9 and after == pytest.approx(1, abs=1e-5)
    model, card = load_checkpoint(folder / "steered.safetensors")
    np.testing.assert_allclose(model.steerer, QUARTER_TURN, atol=1e-3)
    assert card["steerer"]["photos"] == 3 and card["steerer"]["cosine"] == [round(before, 4), 1.0]
    assert "scores" not in card  # of the model without a steerer


def test_another_steerer_is_replaced(folder: Path) -> None:
    model = Neighbors()
    model.steerer = torch.eye(4)
    save_checkpoint(folder / "wrong.safetensors", model, {"steerer": {}})
    fit(folder, "wrong.safetensors", "right.safetensors")
    np.testing.assert_allclose(load_checkpoint(folder / "right.safetensors")[0].steerer, QUARTER_TURN, atol=1e-3)


def test_command_and_views(folder: Path, capsys: pytest.CaptureFixture) -> None:
    steered = folder / "steered.safetensors"
    main(["fit-steerer", str(folder / "model.safetensors"), str(folder / "photos"), str(steered)])
    assert "with the steerer 1.000" in capsys.readouterr().out
    photos = list_images(folder / "photos")
    extract(photos, folder / "a.h5", steered, max_keypoints=30, views=True)
    describe_keypoints(photos, folder / "a.h5", folder / "b.h5", steered, views=True, steered=False)
    with FeatureReader(folder / "a.h5") as a, FeatureReader(folder / "b.h5") as b:
        one, other = a.read("1.png"), b.read("1.png")
        described = b.settings["descriptor"] | {"steered": True}
        assert a.settings == b.settings | {"descriptor": described} != b.settings
    np.testing.assert_array_equal(one.descriptors, other.descriptors)
    np.testing.assert_allclose(one.views, other.views, atol=2e-3)
    np.testing.assert_array_equal(one.views[3], other.views[3])
    assert not np.allclose(one.views[0], one.descriptors, atol=0.1)


def test_rotated_images_are_not_described(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(folder, "model.safetensors", "steered.safetensors")
    passes = []
    monkeypatch.setattr(Neighbors, "forward", lambda *args, own=Neighbors.forward: passes.append(1) or own(*args))
    for name, views in (("model", 5), ("steered", 2)):
        descriptor = folder / f"{name}.safetensors"
        load_descriptor(descriptor)
        loading = len(passes)
        extract(list_images(folder / "photos")[:1], folder / f"{name}.h5", descriptor, views=True)
        assert len(passes) - loading == loading + views  # the checkpoint is loaded again
        passes.clear()


def test_what_cannot_be_fitted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, photos = folder / "model.safetensors", list_images(folder / "photos")
    with pytest.raises(HndescError, match=r"out\.safetensors: no steerer .* 0 SIFT keypoints, fewer .* 4 dim"):
        fit_steerer(model, photos[:1], folder / "out.safetensors")
    (folder / "photos" / "1.png").write_bytes(b"no image")
    with pytest.raises(HndescError, match=r"model\.safetensors"):
        fit_steerer(model, photos, model)
    caplog.set_level(logging.WARNING)
    fit_steerer(model, photos, folder / "out.safetensors")
    assert "skipped '1.png'" in caplog.text
    assert read_card(folder / "out.safetensors")["steerer"]["photos"] == 2
