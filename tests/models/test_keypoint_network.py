"""The network of the detector: sizes, receptive field, and its file."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hndesc.errors import HndescError
from hndesc.io.carded_tensors import read_carded
from hndesc.models.bundled import DETECTOR
from hndesc.models.keypoint_network import MULTIPLE, KeypointNetwork, load_weights, read_detector_card, save_weights


@pytest.fixture
def network() -> KeypointNetwork:
    torch.manual_seed(0)
    return KeypointNetwork().eval()


@torch.inference_mode()
@pytest.mark.parametrize("size", [(1, 1), (7, 40), (33, 50)])
def test_each_pixel_has_a_logit(network: KeypointNetwork, size: tuple[int, int]) -> None:
    logits = network(torch.rand(2, 3, *size))
    assert logits.shape == (2, *size) and logits.isfinite().all()


@torch.inference_mode()
def test_nothing_beyond_the_reach_counts(network: KeypointNetwork) -> None:
    side = 2 * network.reach + 2 * MULTIPLE
    image = torch.rand(1, 3, side, side)
    changed = image.clone()
    changed[..., : MULTIPLE // 2] = 0
    difference = (network(image) != network(changed)).nonzero()
    assert 40 < difference[:, 2].max() < MULTIPLE // 2 + network.reach


@torch.inference_mode()
def test_shifted_images_have_shifted_logits(network: KeypointNetwork) -> None:
    side = 2 * network.reach + 6 * MULTIPLE
    image = torch.rand(1, 3, side, side)
    moved = network(image.roll((MULTIPLE, -MULTIPLE), dims=(2, 3)))
    inside = slice(network.reach + MULTIPLE, -network.reach - MULTIPLE)
    inner = (slice(None), inside, inside)
    torch.testing.assert_close(network(image).roll((MULTIPLE, -MULTIPLE), dims=(1, 2))[inner], moved[inner])


@torch.inference_mode()
def test_gain_and_offset_of_the_image_change_little(network: KeypointNetwork) -> None:
    image = torch.rand(1, 3, 96, 96)
    torch.testing.assert_close(network(image), network(0.5 * image + 0.2), atol=0.05, rtol=0)


def test_file_restores_network_and_card(network: KeypointNetwork, tmp_path: Path) -> None:
    path = tmp_path / "detector.safetensors"
    save_weights(path, network, {"license": "MIT"})
    restored, card = load_weights(path)
    assert card["license"] == "MIT" and card["architecture"] == "keypoint_network"
    assert all(torch.equal(values, restored.state_dict()[name]) for name, values in network.state_dict().items())
    assert not restored.training


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"no weights"), "not a complete safetensors file"),
        (lambda path: save_file({"a": torch.ones(1)}, path), "not a checkpoint written by 'hndesc train-detector'"),
        (
            lambda path: save_file({"a": torch.ones(1)}, path, {"hndesc_detector": json.dumps({"architecture": "x"})}),
            "not a checkpoint written by 'hndesc train-detector'",
        ),
        (
            lambda path: save_file(
                {"a": torch.ones(1)}, path, {"hndesc_detector": json.dumps({"architecture": "keypoint_network"})}
            ),
            "keypoint_network",
        ),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, make, message: str) -> None:
    path = tmp_path / "detector.safetensors"
    make(path)
    with pytest.raises(HndescError, match=message) as error:
        load_weights(path)
    assert str(path) in str(error.value)


def test_missing_file_and_wrong_suffix(network: KeypointNetwork, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="train one or check the path"):
        read_detector_card(tmp_path / "none.safetensors")
    with pytest.raises(HndescError, match="must be named"):
        save_weights(tmp_path / "detector.pt", network, {})


def test_damaged_weights_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "detector.safetensors"
    save_weights(path, KeypointNetwork(), {"metrics": {"error": float("nan")}})
    assert read_detector_card(path)["metrics"] == {"error": None}
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # of a weight
    path.write_bytes(content)
    with pytest.raises(HndescError, match=r"detector\.safetensors: damaged, .*checksum"):
        load_weights(path)


def test_the_bundled_weights_have_a_checksum() -> None:
    assert read_carded(DETECTOR, "hndesc_detector", "")[1] is not None
