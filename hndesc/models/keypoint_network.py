"""The network of the detector `hndesc`: a score for each pixel, from local contrast at 1/4 and 1/8 of its size.

The score is the logit of the probability that a keypoint at this pixel is found again in another image of the scene.
Differences of the scores around a keypoint are its position: their softmax is the distribution of the keypoint over
these pixels (`hndesc.training.detector.loss`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hndesc import __version__
from hndesc.errors import HndescError
from hndesc.io.carded_tensors import load_carded, read_carded, write_carded
from hndesc.io.files import check_own_file, names_hndesc
from hndesc.io.tensor_files import check_tensors, regular_file
from hndesc.models.lite import enlarge, local_contrast, pad_to_multiple, to_luminance, unit

CELL = 4
MULTIPLE = 16
_WIDTH = 32
_CONTEXT = 48
_PRIOR = -2.0  # the first logit of all pixels


class KeypointNetwork(nn.Module):
    """Two residual levels, on the pixels of cells of 4 x 4 as channels and at half that resolution."""

    name = "keypoint_network"
    # Pixels: convolutions on cells of 4 and of 8, interpolation, and the window of local contrast.
    reach = 112

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(CELL**2, _WIDTH)
        self.detail = BasicBlock(_WIDTH)
        self.context = nn.Sequential(
            unit(_WIDTH, _CONTEXT, kernel=2, stride=2),
            BasicBlock(_CONTEXT),
            BasicBlock(_CONTEXT),
            nn.Conv2d(_CONTEXT, _WIDTH, 1),
        )
        self.head = nn.Sequential(unit(_WIDTH, _WIDTH), nn.Conv2d(_WIDTH, CELL**2, 3, padding=1))
        nn.init.constant_(self.head[-1].bias, _PRIOR)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, B x H x W, of images in [0, 1], RGB (B x 3 x H x W) or their luminance (B x 1 x H x W)."""
        height, width = images.shape[-2:]
        contrast = local_contrast(pad_to_multiple(to_luminance(images), MULTIPLE))
        x = self.detail(self.stem(_to_cells(contrast)))
        x = enlarge(self.context(x), 2).add_(x)
        return _from_cells(self.head(x))[:, :height, :width]


def _to_cells(images: Tensor) -> Tensor:
    """Return pixel_unshuffle of B x 1 x H x W with channels last in memory, as convolutions are fastest."""
    cells = images[:, 0].unflatten(2, (-1, CELL)).unflatten(1, (-1, CELL)).transpose(2, 3)
    return cells.flatten(3).permute(0, 3, 1, 2)


def _from_cells(x: Tensor) -> Tensor:
    """Return pixel_shuffle of channels that are last in memory, as B x H x W."""
    return x.permute(0, 2, 3, 1).unflatten(3, (CELL, CELL)).transpose(2, 3).flatten(3).flatten(1, 2)


class BasicBlock(nn.Module):
    """Two convolutions whose output is added to their input, as in ResNet."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            unit(width, width), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return B x C x H x W for B x C x H x W."""
        return self.layers(x).add_(x).relu_()


_KEY = "hndesc_detector"
_CURE = "train the detector or fetch the file again"


def check_weights(path: Path) -> None:
    """Raise an error if a file of weights to write has the wrong suffix or would overwrite a foreign file."""
    if path.suffix != ".safetensors":
        raise HndescError(f"{path}: a checkpoint must be named *.safetensors")
    check_own_file(path, made=names_hndesc)


def save_weights(path: Path, network: KeypointNetwork, card: Mapping[str, Any]) -> None:
    """Write the weights of a network, and its card in the same file, atomically."""
    check_weights(path)
    own = {"version": __version__, "architecture": network.name}
    write_carded(path, _KEY, own | dict(card), network.state_dict())


def read_detector_card(path: Path) -> dict[str, Any]:
    """Return the card of a file of weights.

    Raises:
        HndescError: the file is missing, not a complete safetensors file or has no card of a detector.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, Any], str | None]:
    regular_file(path, "detector", "train one or check the path")
    card, checksum = read_carded(path, _KEY, _CURE)
    if card is None or card.get("architecture") != KeypointNetwork.name:
        raise HndescError(f"{path}: not a checkpoint written by 'hndesc train-detector'; {_CURE}")
    return card, checksum


def load_weights(path: Path) -> tuple[KeypointNetwork, dict[str, Any]]:
    """Return the network of a file, in evaluation mode on the CPU, and its card.

    Raises:
        HndescError: the file is unusable, see `read_detector_card`, or damaged, or its weights do not fit the network.
    """
    (card, checksum), network = _read(path), KeypointNetwork()
    tensors = load_carded(path, card, checksum, _CURE)
    network.load_state_dict(check_tensors(str(path), tensors, network.state_dict(), network.name, _CURE))
    return network.eval(), card
