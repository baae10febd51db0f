"""The interface of kornia's `LocalFeature`: shapes, masks, batches, and kornia's own matcher."""

import importlib
import sys
from pathlib import Path

import kornia.feature as kornia
import numpy as np
import pytest
import torch

from hndesc.errors import HndescError
from hndesc.extraction.local_feature import LocalFeature
from hndesc.extraction.model import load
from hndesc.models.bundled import DEFAULT
from tests.documentation import DOCS, blocks
from tests.extraction.conftest import noise, tensor


@pytest.fixture(scope="module")
def feature(files: tuple[Path, Path]) -> LocalFeature:
    return LocalFeature(files[0], max_keypoints=50, detector_weights=files[1])


@torch.inference_mode()
def test_frames_are_upright_at_the_keypoints_of_a_model(files: tuple[Path, Path], feature: LocalFeature) -> None:
    image = noise(128, 160)
    frames, scores, descriptors = feature(tensor(image))
    settings = {"max_keypoints": 50, "device": "cpu", "compute_precision": "float32"}
    expected = load(files[0], detector="hndesc", detector_weights=files[1], **settings).extract(image)
    assert frames.shape == (1, 50, 2, 3) and descriptors.shape == (1, 50, 64)
    np.testing.assert_allclose(kornia.get_laf_center(frames)[0], expected.keypoints, atol=1e-3)
    np.testing.assert_allclose(descriptors[0], expected.descriptors, atol=1e-3)
    np.testing.assert_allclose(scores[0], expected.scores, atol=1e-5)
    assert torch.all(kornia.get_laf_scale(frames) == 1) and torch.all(kornia.get_laf_orientation(frames) == 0)


@torch.inference_mode()
def test_images_of_a_batch_are_independent(feature: LocalFeature) -> None:
    first, second = tensor(noise(96, 96)), tensor(noise(96, 96)).flip(3)
    masks = torch.ones(2, 1, 96, 96)
    masks[1, :, 20:] = 0
    frames, scores, descriptors = feature(torch.cat([first, second]), masks)
    alone, few = feature(first), feature(second, masks[1:])
    assert torch.equal(frames[:1], alone[0]) and torch.equal(descriptors[:1], alone[2])
    count = few[1].shape[1]
    assert 0 < count < scores.shape[1] == 50
    assert torch.equal(scores[1, :count], few[1][0])
    assert not scores[1, count:].any() and not frames[1, count:].any() and not descriptors[1, count:].any()


@torch.inference_mode()
def test_gray_images_and_masks(feature: LocalFeature) -> None:
    gray = tensor(noise(96, 128))[:, :1]
    assert torch.equal(feature(gray)[0], feature(gray.repeat(1, 3, 1, 1))[0])
    mask = torch.zeros(1, 1, 96, 128)
    mask[..., :64] = 1
    inside = feature(gray, mask)[0]
    assert inside.shape[1] > 0 and inside[0, :, 0, 2].max() < 64 + 2  # the position can leave the pixel
    assert feature(gray, mask * 0)[0].shape == (1, 0, 2, 3)
    half = feature(gray, torch.full_like(mask, 0.5))[1]
    assert torch.equal(half, feature(gray)[1] / 2)


@torch.inference_mode()
def test_matcher_of_kornia_finds_a_shift() -> None:
    feature = LocalFeature(DEFAULT, max_keypoints=200)
    rng = np.random.default_rng(3)
    coarse = torch.from_numpy(rng.random((1, 1, 20, 25), np.float32))
    scene = torch.nn.functional.interpolate(coarse, (200, 250), mode="bicubic").clamp(0, 1)
    matcher = kornia.LocalFeatureMatcher(feature, kornia.DescriptorMatcher("mnn"))
    found = matcher({"image0": scene[..., :160, :224], "image1": scene[..., 24:184, 16:240]})
    shift = found["keypoints0"] - found["keypoints1"]
    right = (shift - torch.tensor([16.0, 24.0])).norm(dim=1) < 1
    assert len(shift) > 30 and right.float().mean() > 0.8


# What hloc's base class does, by its documentation: settings over defaults, then `_init`; `_forward` returns batches.
BASE = """
import torch

class BaseModel(torch.nn.Module):
    default_conf, required_inputs = {}, []

    def __init__(self, conf):
        super().__init__()
        self._init({**self.default_conf, **conf})

    def forward(self, data):
        assert all(name in data for name in self.required_inputs)
        return self._forward(data)
"""


@torch.inference_mode()
def test_the_documented_extractor_of_hloc(
    files: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (code,) = (block.code for block in blocks(DOCS / "colmap.md") if block.file == "hndesc.py")
    for folder in ("extractors", "utils"):
        (tmp_path / "hloc" / folder).mkdir(parents=True)
        (tmp_path / "hloc" / folder / "__init__.py").touch()
    (tmp_path / "hloc" / "__init__.py").touch()
    (tmp_path / "hloc" / "utils" / "base_model.py").write_text(BASE)
    (tmp_path / "hloc" / "extractors" / "hndesc.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("hloc", "hloc.extractors", "hloc.extractors.hndesc", "hloc.utils", "hloc.utils.base_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    extractor = importlib.import_module("hloc.extractors.hndesc").Hndesc({"model": files[0], "max_keypoints": 20})
    found = {name: values[0] for name, values in extractor({"image": tensor(noise(96, 128))}).items()}
    assert {name: values.shape for name, values in found.items()} == {
        "keypoints": (20, 2),
        "scores": (20,),
        "descriptors": (64, 20),
    }


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(HndescError, match="neither a bundled model"):
        LocalFeature("no-such-model")
