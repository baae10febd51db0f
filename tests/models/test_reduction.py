"""Shorter descriptors: the first principal directions, kept in the checkpoint, and nothing else changed."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import hndesc
from hndesc.cli.main import main
from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError
from hndesc.extraction.description import extract
from hndesc.extraction.detection import detect_keypoints
from hndesc.io.features import FeatureReader
from hndesc.io.images import write_image
from hndesc.models.checkpoint import load_checkpoint, read_card, save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.reduction import reduce_dimensions

RANK = 9
SIZE = (150, 190)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `lite` whose descriptors lie in a space of few dimensions, photos, and what it says of them."""
    folder = tmp_path_factory.mktemp("shrinking")
    model = build_model("lite", "random", seed=3)
    generator = torch.Generator().manual_seed(8)
    last = model.head[-1]
    basis = torch.linalg.qr(torch.randn(model.dim, RANK, generator=generator))[0]
    with torch.no_grad():
        last.weight.copy_((basis @ basis.T @ last.weight[:, :, 0, 0])[:, :, None, None])
        last.bias.copy_(basis @ basis.T @ last.bias)
    save_checkpoint(folder / "model.safetensors", model, {"seed": 3, "settings": {}})
    generator = np.random.default_rng(2)
    for number in range(3):
        coarse = generator.integers(0, 256, (19, 24, 3), np.uint8)
        photo = coarse.repeat(8, 0).repeat(8, 1)[: SIZE[0], : SIZE[1]]
        write_image(folder / "photos" / f"{number}.png", photo)
    extract(_photos(folder), folder / "features.h5", folder / "model.safetensors", "sift")
    reduce_dimensions(folder / "model.safetensors", folder / "features.h5", folder / "small.safetensors", RANK)
    return folder


def _photos(folder: Path):
    return list_images(folder / "photos")


def test_all_directions_in_use_keep_all_similarities(folder: Path) -> None:
    whole, small = (hndesc.load(folder / f"{name}.safetensors") for name in ("model", "small"))
    assert (whole.dim, small.dim) == (64, RANK)
    assert read_card(folder / "small.safetensors")["projection"]["kept"] == pytest.approx(1, abs=1e-4)
    keypoints, descriptors = whole.extract(folder / "photos" / "1.png")
    shorter = small.describe(folder / "photos" / "1.png", keypoints)
    assert shorter.shape == (len(keypoints), RANK) and len(keypoints) > 20
    np.testing.assert_allclose(shorter @ shorter.T, descriptors @ descriptors.T, atol=1e-4)


@pytest.mark.parametrize("dimensions", [1, 4])
def test_no_other_directions_keep_more(folder: Path, tmp_path: Path, dimensions: int) -> None:
    kept = reduce_dimensions(
        folder / "model.safetensors", folder / "features.h5", tmp_path / "m.safetensors", dimensions
    )
    with FeatureReader(folder / "features.h5") as reader:
        descriptors = np.concatenate([reader.read(name).descriptors for name in reader.names()])
    model, card = load_checkpoint(tmp_path / "m.safetensors")
    projection = model.projection.numpy()
    np.testing.assert_allclose(projection @ projection.T, np.eye(dimensions), atol=1e-5)
    assert np.square(descriptors @ projection.T).sum(1).mean() == pytest.approx(kept, abs=1e-4)
    singular = np.linalg.svd(descriptors, compute_uv=False) ** 2
    assert kept == pytest.approx(singular[:dimensions].sum() / singular.sum(), abs=1e-4)
    assert card["projection"] == {"from": 64, "photos": 3, "descriptors": len(descriptors), "kept": round(kept, 4)}


def test_it_is_the_same_architecture_with_a_shorter_map(folder: Path) -> None:
    model, card = load_checkpoint(folder / "small.safetensors")
    assert (card["architecture"], card["dim"], card["stride"]) == ("lite", RANK, 4)
    assert (model.dim, model.stride, model.reach) == (RANK, 4, build_model("lite", "random").reach)
    assert model(torch.zeros(1, 3, 64, 96)).shape == (1, RANK, 16, 24)


def test_training_starts_from_the_backbone_alone(folder: Path) -> None:
    whole, _ = load_checkpoint(folder / "model.safetensors")
    start = build_model("lite", folder / "small.safetensors")
    assert all(torch.equal(values, whole.state_dict()[name]) for name, values in start.state_dict().items())
    octaves = build_model("lite_pyramid", folder / "small.safetensors")
    assert torch.equal(octaves.towers[2].head[-1].weight, whole.head[-1].weight)


def test_a_steerer_is_left_out(folder: Path, tmp_path: Path) -> None:
    model, card = load_checkpoint(folder / "model.safetensors")
    model.steerer = torch.eye(model.dim)
    save_checkpoint(tmp_path / "steered.safetensors", model, card | {"steerer": {}})
    extract(_photos(folder), tmp_path / "f.h5", tmp_path / "steered.safetensors", "sift")
    reduce_dimensions(tmp_path / "steered.safetensors", tmp_path / "f.h5", tmp_path / "small.safetensors", RANK)
    small, card = load_checkpoint(tmp_path / "small.safetensors")
    assert small.steerer is None and small.network.steerer is None and "steerer" not in card
    small.steerer = torch.eye(RANK)
    save_checkpoint(tmp_path / "again.safetensors", small, card | {"steerer": {}})
    assert torch.equal(load_checkpoint(tmp_path / "again.safetensors")[0].steerer, torch.eye(RANK))
    for name, part in (("steered", build_model("lite")), ("again", build_model("lite_pyramid"))):
        start = build_model(part.name, tmp_path / f"{name}.safetensors")
        assert start.steerer is None and start.state_dict().keys() == part.state_dict().keys()


def test_what_cannot_be_shrunk(folder: Path, tmp_path: Path) -> None:
    model, small, features = folder / "model.safetensors", folder / "small.safetensors", folder / "features.h5"
    out = tmp_path / "out.safetensors"
    for dimensions in (0, 64, 100):
        with pytest.raises(HndescError, match=r"model\.safetensors has 64, give a number from 1 to 63"):
            reduce_dimensions(model, features, out, dimensions)
    with pytest.raises(HndescError, match=r"small\.safetensors.*already projected"):
        reduce_dimensions(small, features, out, 4)
    extract(_photos(folder), tmp_path / "other.h5", small, "sift")
    with pytest.raises(HndescError, match=r"other\.h5: contains no descriptors of this model"):
        reduce_dimensions(model, tmp_path / "other.h5", out, 4)
    detect_keypoints(_photos(folder), tmp_path / "keypoints.h5", "sift")
    with pytest.raises(HndescError, match=r"keypoints\.h5: contains no descriptors of this model"):
        reduce_dimensions(model, tmp_path / "keypoints.h5", out, 4)
    with h5py.File(tmp_path / "keypoints.h5", "r+") as file, h5py.File(features) as described:
        file.attrs["settings"] = described.attrs["settings"]
    with pytest.raises(HndescError, match=r"keypoints\.h5: .* has keypoints without descriptors"):
        reduce_dimensions(model, tmp_path / "keypoints.h5", out, 4)
    extract(_photos(folder)[:1], tmp_path / "few.h5", model, "sift", max_keypoints=20)
    with pytest.raises(HndescError, match=r"few\.h5: 20 descriptors are too few for 64 dimensions"):
        reduce_dimensions(model, tmp_path / "few.h5", out, 4)
    assert not out.exists()


def test_command_takes_a_model_of_the_box(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    main(["extract", str(folder / "photos"), str(tmp_path / "f.h5"), "--model", "hndesc-lite"])
    main(
        [
            "reduce-dimensions",
            "hndesc-lite",
            str(tmp_path / "f.h5"),
            str(tmp_path / "s.safetensors"),
            "--dimensions",
            "48",
        ]
    )
    assert "48 dimensions, which keep" in capsys.readouterr().out
    assert hndesc.load(tmp_path / "s.safetensors").dim == 48
    card = read_card(tmp_path / "s.safetensors")
    assert card["settings"]["architecture"] == "lite_pyramid"
    assert not {"scores", "name", "trained_file"} & set(card)  # true of the bundled model alone
    assert set(card["about"]) == {"data", "license"}
    assert hndesc.load(tmp_path / "s.safetensors").license == hndesc.load("hndesc-lite").license
