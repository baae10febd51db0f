"""R2D2's network: the published layout, and that the published weights do here what they were trained for."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hndesc.io.images import read_image
from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.sampling import normalize_images, sample_descriptors


def test_layers() -> None:
    model = build_model("r2d2")
    convolutions = [layer for layer in model.ops if isinstance(layer, nn.Conv2d)]
    assert [(layer.out_channels, layer.kernel_size[0], layer.dilation[0]) for layer in convolutions] == [
        (32, 3, 1),
        (32, 3, 1),
        (64, 3, 1),
        (64, 3, 2),
        (128, 3, 2),
        (128, 3, 4),
        (128, 2, 4),
        (128, 2, 8),
        (128, 2, 16),
    ]
    norms = [layer for layer in model.ops if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 8 and not any(layer.affine for layer in norms)
    assert isinstance(model.ops[-1], nn.ReLU) and isinstance(model.ops[-2], nn.Conv2d)


@torch.no_grad()
def test_dilations_stand_for_the_strides_of_l2_net(backbones: dict[str, Backbone]) -> None:
    """At every 32nd pixel the network gives what L2-Net gives with strides instead of dilations."""
    dilated = backbones["r2d2"]
    strided = copy.deepcopy(dilated)
    convolutions = [layer for layer in strided.ops if isinstance(layer, nn.Conv2d)]
    for layer, stride in zip(convolutions, (1, 1, 2, 1, 2, 1, 2, 2, 2), strict=True):
        layer.stride, layer.dilation = (stride, stride), (1, 1)
        layer.padding = (1, 1) if layer.kernel_size == (3, 3) else (0, 0)
    photos = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    expected = strided(photos)
    assert expected.shape == (2, 128, 2, 3)
    # The 2 x 2 kernels look half their distance on: 2, 4 and 8 pixels.
    torch.testing.assert_close(dilated(photos)[..., 14::32, 14::32], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_quarter_leaves_out_what_is_not_read(backbones: dict[str, Backbone], tmp_path: Path) -> None:
    """With the same weights the dense map's values come out, up to the borders; a checkpoint of one fits the other."""
    dense = backbones["r2d2"]
    save_checkpoint(tmp_path / "dense.safetensors", dense, {})
    quarter = build_model("r2d2_quarter", tmp_path / "dense.safetensors").eval()
    photos = torch.randn(2, 3, 64, 92, generator=torch.Generator().manual_seed(0))
    expected = dense(photos)[..., 2::4, 2::4]
    assert expected.std() > 0.01
    torch.testing.assert_close(quarter.thinned(photos), expected, atol=1e-5, rtol=1e-5)
    save_checkpoint(tmp_path / "quarter.safetensors", quarter, {})
    back = build_model("r2d2", tmp_path / "quarter.safetensors").eval()
    assert torch.equal(back(photos), dense(photos))


@torch.no_grad()
def test_quarter_moves_its_map_to_the_cells_centers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each pixel's value is its place, a cell holds the place of its center."""
    quarter = build_model("r2d2_quarter")
    rows, columns = torch.meshgrid(torch.arange(2.0, 40, 4), torch.arange(2.0, 60, 4), indexing="ij")
    places = torch.stack([rows, columns] * (quarter.dim // 2))[None]
    monkeypatch.setattr(quarter, "thinned", lambda _: places)
    cells = quarter(torch.zeros(1, 3, 40, 60))[0, :2, 1:, 1:]
    expected = torch.stack([rows, columns])[:, 1:, 1:] - 0.5
    torch.testing.assert_close(cells, expected)


@pytest.mark.golden
@torch.inference_mode()
def test_published_weights_match_across_views(shared: Path) -> None:
    """With the published weights, points of one view find themselves among all points of the other."""
    model = build_model("r2d2", shared / "weights" / "r2d2_WASF_N16.pt").eval()
    state = torch.load(shared / "weights" / "r2d2_WASF_N16.pt", weights_only=True)["state_dict"]
    assert torch.equal(model.ops[22].weight, state["module.ops.22.weight"])
    sequence = shared / "data" / "hpatches_mini" / "v_dogman"
    H = np.loadtxt(sequence / "H_1_2")
    images = [read_image(sequence / f"{index}.ppm") for index in (1, 2)]
    height, width = images[1].shape[:2]
    ys, xs = np.mgrid[60:260:12, 60:300:12]
    first = np.stack([xs.ravel() + 160, ys.ravel() + 120], 1).astype(float)
    second = np.c_[first, np.ones(len(first))] @ H.T
    second = second[:, :2] / second[:, 2:]
    found = []
    for image, points in zip(images, (first, second), strict=True):
        left, top = np.maximum(points.min(0).astype(int) - 30, 0)
        right, bottom = points.max(0).astype(int) + 31
        crop = image[top:bottom, left:right]
        points = torch.from_numpy(points - (left, top)).float()[None]
        # The published network has no ReLU at its end.
        dense = model.ops[:-1](normalize_images(crop[None]))
        found.append(sample_descriptors(dense, points, crop.shape[:2])[0])
    inside = torch.from_numpy((second > 30).all(1) & (second < (width - 30, height - 30)).all(1))
    right_one = (found[0] @ found[1].T).argmax(1) == torch.arange(len(first))
    assert inside.sum() > 200
    assert right_one[inside].float().mean() > 0.95
