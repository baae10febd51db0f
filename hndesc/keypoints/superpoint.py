"""SuperPoint (DeTone, Malisiewicz & Rabinovich, CVPR Workshops 2018): the network, and keypoints by it."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.devices import choose_device
from hndesc.errors import HndescError
from hndesc.features import Features
from hndesc.images import to_gray
from hndesc.keypoints.selection import inside, strongest, suppress
from hndesc.provenance import file_hash

CELL = 8
_ADDRESS = "https://github.com/magicleap/SuperGluePretrainedNetwork"


class SuperPoint(nn.Module):
    """The published network: a VGG-like encoder to stride 8, with a head for keypoints and one for descriptors.

    Its state dict has the names of the published weights.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = {"1": (1, 64), "2": (64, 64), "3": (64, 128), "4": (128, 128)}
        for block, (before, after) in widths.items():
            self.add_module(f"conv{block}a", nn.Conv2d(before, after, 3, padding=1))
            self.add_module(f"conv{block}b", nn.Conv2d(after, after, 3, padding=1))
        for head, outputs in {"P": CELL**2 + 1, "D": 256}.items():
            self.add_module(f"conv{head}a", nn.Conv2d(128, 256, 3, padding=1))
            self.add_module(f"conv{head}b", nn.Conv2d(256, outputs, 1))

    def encode(self, gray: Tensor) -> Tensor:
        """Map grey images (B x 1 x H x W in [0, 1]; H, W >= 8) to features, B x 128 x H//8 x W//8."""
        x = gray
        for block in "1234":
            x = self._block(x, f"conv{block}a", f"conv{block}b").relu()
            if block != "4":
                x = functional.max_pool2d(x, 2)
        return x

    def scores(self, features: Tensor) -> Tensor:
        """Return how much each pixel is a keypoint, B x 8h x 8w in [0, 1], from B x 128 x h x w features."""
        cells = self._block(features, "convPa", "convPb").softmax(dim=1)[:, :-1]  # the last: no keypoint in the cell
        return functional.pixel_shuffle(cells, CELL).squeeze(1)

    def descriptors(self, features: Tensor) -> Tensor:
        """Return one descriptor a cell, B x 256 x h x w, L2-normalised, from B x 128 x h x w features."""
        return functional.normalize(self._block(features, "convDa", "convDb"), dim=1)

    def _block(self, x: Tensor, first: str, second: str) -> Tensor:
        return self.get_submodule(second)(self.get_submodule(first)(x).relu())


def load_superpoint(weights: str | Path | None) -> SuperPoint:
    """Load the published network, ready for inference.

    Args:
        weights: `superpoint_v1.pth`, or an .npz with the same names and shapes.

    Raises:
        HndescError: no weights, or a file that does not hold them.
    """
    if weights is None or not Path(weights).is_file():
        cause = "SuperPoint needs its published weights" if weights is None else f"{weights}: no such file of weights"
        raise HndescError(
            f"{cause}: get superpoint_v1.pth from {_ADDRESS} (models/weights; Magic Leap's licence: non-commercial "
            "research only) and name the file by --detector-weights or the config key keypoints.weights"
        )
    state = _read_weights(Path(weights))
    network = SuperPoint()
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    wrong = sorted(name for name in expected if tuple(getattr(state.get(name), "shape", ())) != expected[name])
    if wrong:
        raise HndescError(
            f"{weights}: not the weights of SuperPoint: {len(wrong)} of {len(expected)} tensors are missing or of "
            f"another shape, the first is '{wrong[0]}'; the published file is at {_ADDRESS}"
        )
    network.load_state_dict({name: state[name] for name in expected})
    return network.eval().to(choose_device(), memory_format=torch.channels_last)


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises whatever comes when the bytes are not a pickle
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise HndescError(f"{path}: not a readable file of weights ({reason}); download it again") from None
    return state if isinstance(state, dict) else {}


def encode_image(network: SuperPoint, image: np.ndarray) -> Tensor | None:
    """Encode an RGB uint8 H x W x 3 image; None when it is too small to have a single cell."""
    if min(image.shape[:2]) < CELL:
        return None
    gray = torch.from_numpy(to_gray(image)).to(network.conv1a.weight.device)
    return network.encode(gray[None, None].float() / 255)


class SuperPointDetector:
    """Detect keypoints by SuperPoint's published network.

    Args:
        weights: file of the published weights.
        max_keypoints: keep so many of the highest score, None for all.
        border: keep no keypoint nearer to the image's edge than this, pixels.
        threshold: lowest score of a keypoint.
        nms_radius: half the side of the window that has one keypoint, pixels.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        max_keypoints: int | None = None,
        border: int = 4,
        threshold: float = 0.005,
        nms_radius: int = 3,
    ) -> None:
        self.network = load_superpoint(weights)
        self.max_keypoints = max_keypoints
        self.border = border
        self.threshold = threshold
        self.nms_radius = nms_radius
        self.settings = {
            "name": "superpoint",
            "weights": file_hash(weights),
            "max_keypoints": max_keypoints,
            "border": border,
            "threshold": threshold,
            "nms_radius": nms_radius,
        }

    @torch.inference_mode()
    def detect(self, image: np.ndarray) -> Features:
        """Detect the keypoints of an RGB uint8 H x W x 3 image, strongest first."""
        encoded = encode_image(self.network, image)
        scores = np.zeros((0, 0), np.float32) if encoded is None else self.network.scores(encoded)[0].cpu().numpy()
        features = keypoints_of_map(scores, self.threshold, self.nms_radius, self.border)
        features = features.take(strongest(features.scores, self.max_keypoints))
        return Features(features.keypoints, (image.shape[1], image.shape[0]), features.scores)


def keypoints_of_map(scores: np.ndarray, threshold: float, nms_radius: int, border: int) -> Features:
    """Return the keypoints of an H x W map of scores, row by row."""
    size = scores.shape[1], scores.shape[0]
    rows, columns = np.nonzero(suppress(np.where(scores > threshold, scores, 0), nms_radius))
    features = Features(np.stack([columns, rows], axis=1).astype(np.float32), size, scores[rows, columns])
    return features.take(inside(features.keypoints, size, border))
