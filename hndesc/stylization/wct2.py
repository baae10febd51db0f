"""Wavelet-corrected transfer (WCT2; Yoo, Uh, Chun, Kang and Ha, ICCV 2019), with weights supplied by the user.

A VGG-19 encoder and a mirrored decoder, with Haar wavelets instead of pooling. The high bands bypass the bottleneck, so
that the decoder can reconstruct the image without loss of detail. At each level, features are whitened and given the
covariance of the style.

The weights are the two files that the authors published (github.com/clovaai/WCT2, folder model_checkpoints, MIT
license): wave_encoder_cat5_l4.pth and wave_decoder_cat5_l4.pth.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.errors import HndescError
from hndesc.io.tensor_files import check_tensors, read_tensors
from hndesc.runtime.devices import choose_device

FILES = {"encoder": "wave_encoder_cat5_l4.pth", "decoder": "wave_decoder_cat5_l4.pth"}
PLACES = ("encoder", "skip", "decoder")
_WAVELET = "wavelet"
# Input and output channels of each convolution, in order; features are transferred between levels.
_ENCODER = (
    {"conv0": (3, 3), "conv1_1": (3, 64)},
    {"conv1_2": (64, 64), _WAVELET: (), "conv2_1": (64, 128)},
    {"conv2_2": (128, 128), _WAVELET: (), "conv3_1": (128, 256)},
    {"conv3_2": (256, 256), "conv3_3": (256, 256), "conv3_4": (256, 256), _WAVELET: (), "conv4_1": (256, 512)},
)
# After a wavelet there are five times as many channels: its four bands and the features of the encoder.
_DECODER = (
    {"conv4_1": (512, 256), _WAVELET: (), "conv3_4_2": (1280, 256), "conv3_3": (256, 256), "conv3_2": (256, 256)},
    {"conv3_1": (256, 128), _WAVELET: (), "conv2_2_2": (640, 128)},
    {"conv2_1": (128, 64), _WAVELET: (), "conv1_2_2": (320, 64)},
    {"conv1_1": (64, 3)},
)
_LINEAR = ("conv0", "conv1_1")  # of encoder and decoder: no ReLU follows
_MULTIPLE = 8  # three wavelets halve each side
_LEAST = 16
_RANK = 1e-5  # directions with a variance below this share of the largest are ignored

Skip = tuple[Tensor, list[Tensor]]  # features before a wavelet, and its three high bands


def stylize(
    content: np.ndarray,
    style: np.ndarray,
    rng: np.random.Generator | None = None,
    strength: float = 1.0,
    weights: str | None = None,
    at: Sequence[str] = PLACES,
    device: str = "auto",
) -> np.ndarray:
    """Transfer the style of `style` to `content`.

    Args:
        content: RGB uint8, H x W x 3.
        style: RGB uint8, any size.
        rng: unused, since the method is deterministic.
        strength: 0 returns the content, 1 is the full style; features are interpolated in between.
        weights: folder of the two files of pretrained weights.
        at: positions in the network at which features are transferred, from `PLACES`.
        device: "auto" (the GPU if there is one), "cpu" or "cuda".

    Returns:
        RGB uint8, H x W x 3.

    Raises:
        HndescError: the weights are missing or invalid.
    """
    if strength == 0:
        return content.copy()
    if unknown := set(at) - set(PLACES) or (not at and {"nothing"}):
        raise HndescError(f"wct2 transfers at {', '.join(PLACES)}, not at {min(unknown)}")
    network = load(weights, device)
    with torch.inference_mode():
        first, second = (_to_tensor(image, network.device) for image in (content, style))
        result = network.transfer(first, second, strength, at)
    height, width = content.shape[:2]
    pixels = result[0, :, :height, :width].clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return np.rint(pixels * 255).astype(np.uint8)


def _to_tensor(image: np.ndarray, device: torch.device) -> Tensor:
    """Return an image as 1 x 3 x H x W, 0 to 1, padded to the multiple that the wavelets need."""
    height, width = (max(_LEAST, -(-side // _MULTIPLE) * _MULTIPLE) for side in image.shape[:2])
    padded = np.pad(image, ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0)), mode="edge")
    return torch.from_numpy(padded).to(device).permute(2, 0, 1)[None].float() / 255


@lru_cache(maxsize=1)
def load(weights: str | None, device: str = "auto") -> "WaveletNetwork":
    """Return the network with pretrained weights, in evaluation mode."""
    if weights is None:
        raise HndescError(
            "stylization wct2 needs its pretrained weights; set the key weights to their folder "
            "(github.com/clovaai/WCT2, model_checkpoints)"
        )
    network = WaveletNetwork()
    for part, name in FILES.items():
        getattr(network, part).load_state_dict(_read(Path(weights) / name, getattr(network, part).state_dict()))
    return network.eval().to(choose_device(device))


def _read(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    cure = "get it from github.com/clovaai/WCT2 (model_checkpoints, cat5)"
    return check_tensors(str(path), read_tensors(path, cure), expected, "WCT2", cure)


class _Convolutions(nn.Module):
    """The encoder or the decoder: convolutions in levels, with the names of the published weights."""

    def __init__(self, levels: Sequence[Mapping[str, tuple[int, ...]]]) -> None:
        super().__init__()
        self.levels = [list(level) for level in levels]
        for name, channels in ((n, c) for level in levels for n, c in level.items() if n != _WAVELET):
            self.add_module(name, nn.Conv2d(*channels, 1 if name == "conv0" else 3))

    def convolve(self, features: Tensor, name: str, linear: bool) -> Tensor:
        layer = getattr(self, name)
        if layer.kernel_size[0] == 3:
            features = functional.pad(features, (1, 1, 1, 1), mode="reflect")
        features = layer(features)
        return features if linear else features.relu()


class WaveletNetwork(nn.Module):
    """Encoder and decoder, connected by wavelets."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = _Convolutions(_ENCODER), _Convolutions(_DECODER)

    @property
    def device(self) -> torch.device:
        return self.encoder.conv0.weight.device

    def encode(self, features: Tensor, level: int, skips: list[Skip]) -> Tensor:
        """Run a level of the encoder, 0 to 3; features that bypass the bottleneck are appended to `skips`."""
        for name in self.encoder.levels[level]:
            if name == _WAVELET:
                low, high = haar_split(features)
                skips.append((features, high))
                features = low
            else:
                features = self.encoder.convolve(features, name, linear=name == _LINEAR[0])
        return features

    def decode(self, features: Tensor, level: int, skips: list[Skip]) -> Tensor:
        """Run a level of the decoder, 0 (the deepest) to 3; its entries are popped from `skips`."""
        for name in self.decoder.levels[level]:
            if name == _WAVELET:
                before, high = skips.pop()
                features = torch.cat([*haar_bands(features, high), before], dim=1)
            else:
                features = self.decoder.convolve(features, name, linear=name == _LINEAR[1])
        return features

    def transfer(self, content: Tensor, style: Tensor, strength: float, at: Sequence[str]) -> Tensor:
        """Return the content (1 x 3 x H x W, 0 to 1) with the covariances of the style at the positions `at`."""
        skips: list = []
        style_skips: list = []
        for level in range(len(_ENCODER)):
            content, style = self.encode(content, level, skips), self.encode(style, level, style_skips)
            if "encoder" in at:
                content = transfer_covariance(content, style, strength)
        if "skip" in at:
            pairs = zip(skips, style_skips, strict=True)
            skips = [
                (before, [transfer_covariance(*bands, strength) for bands in zip(high, style_high, strict=True)])
                for (before, high), (_, style_high) in pairs
            ]
        for level in range(len(_DECODER)):
            # At the bottleneck, the encoder has already transferred them.
            if "decoder" in at and (level > 0 or "encoder" not in at):
                content = transfer_covariance(content, style, strength)
            content, style = self.decode(content, level, skips), self.decode(style, level, style_skips)
        return content


def haar_split(features: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the low and the three high bands of the Haar wavelet, each B x C x H/2 x W/2, of B x C x H x W."""
    batch, channels, height, width = features.shape
    bands = functional.conv2d(features.reshape(-1, 1, height, width), _kernels(features), stride=2)
    low, *high = bands.reshape(batch, channels, 4, height // 2, width // 2).unbind(2)
    return low, high


def haar_bands(low: Tensor, high: Sequence[Tensor]) -> list[Tensor]:
    """Return the contribution of each of the four bands at full size; their sum inverts `haar_split`."""
    batch, channels, height, width = low.shape
    return [
        functional.conv_transpose2d(band.reshape(-1, 1, height, width), kernel[None], stride=2).reshape(
            batch, channels, 2 * height, 2 * width
        )
        for band, kernel in zip((low, *high), _kernels(low), strict=True)
    ]


def _kernels(like: Tensor) -> Tensor:
    """Return the kernels LL, LH, HL, HH (rows first), 4 x 1 x 2 x 2, orthonormal."""
    low, high = torch.tensor([0.5**0.5, 0.5**0.5]), torch.tensor([-(0.5**0.5), 0.5**0.5])
    pairs = ((low, low), (low, high), (high, low), (high, high))
    return torch.stack([torch.outer(*pair) for pair in pairs])[:, None].to(like)


def transfer_covariance(content: Tensor, style: Tensor, strength: float = 1.0) -> Tensor:
    """Give features (1 x C x H x W) the mean and covariance of the style, interpolated by the strength."""
    flat, target = content[0].flatten(1), style[0].flatten(1)
    mixed = strength * color(whiten(flat), target) + (1 - strength) * flat
    return mixed.reshape(content.shape)


def whiten(features: Tensor) -> Tensor:
    """Whiten features (C x N) to mean 0 and identity covariance on the subspace that they span."""
    centered = features - features.mean(dim=1, keepdim=True)
    return (_power(_covariance(centered), -0.5) @ centered.double()).to(features)


def color(white: Tensor, style: Tensor) -> Tensor:
    """Give white features (C x N) mean and covariance of `style` (C x M)."""
    mean = style.mean(dim=1, keepdim=True)
    return (_power(_covariance(style - mean), 0.5) @ white.double()).to(white) + mean


def _covariance(centered: Tensor) -> Tensor:
    wide = centered.double()
    return wide @ wide.T / wide.shape[1]


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Return a power of a symmetric matrix on the subspace where it is not degenerate."""
    values, vectors = torch.linalg.eigh(matrix)
    kept = values > _RANK * values.max().clamp(min=1e-30)
    powers = torch.where(kept, values.clamp(min=1e-30) ** exponent, 0.0)
    return (vectors * powers) @ vectors.T
