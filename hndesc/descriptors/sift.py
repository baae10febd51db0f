"""SIFT descriptors (Lowe, IJCV 2004) by OpenCV, and RootSIFT (Arandjelović & Zisserman, CVPR 2012)."""

import cv2
import numpy as np

from hndesc.io.features import Features
from hndesc.io.images import to_gray

_LAYERS = 3
_SIGMA = 1.6
# A keypoint of the finest octave and layer: it makes OpenCV double the image for any other keypoints.
_FINEST = cv2.KeyPoint(x=0, y=0, size=_SIGMA, angle=0, octave=255 | 1 << 8)


class SiftDescriptor:
    """Describe keypoints by SIFT, 128-D.

    `sizes` and `angles` of the features determine the described region. Keypoints without them are described upright
    and at a default size.

    Args:
        default_size: diameter in pixels of keypoints without `sizes`.
    """

    name = "sift"
    oriented = True  # uses sizes and orientations of keypoints: further views of the image add nothing

    def __init__(self, default_size: float = 6.0) -> None:
        self.default_size = default_size
        self._sift = cv2.SIFT_create(nOctaveLayers=_LAYERS, sigma=_SIGMA, enable_precise_upscale=True)
        self.settings = {"name": self.name, "default_size": default_size, "opencv": cv2.__version__}

    def __reduce__(self) -> tuple:
        # OpenCV objects cannot be pickled.
        return type(self), (self.default_size,)

    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe keypoints of an RGB uint8 H x W x 3 image; N x 128 float32, L2-normalized (0 in flat regions)."""
        if len(features) == 0:
            return np.empty((0, 128), np.float32)
        sizes = features.extra.get("sizes", np.full(len(features), self.default_size, np.float32))
        angles = features.extra.get("angles", np.zeros(len(features), np.float32))
        levels = pyramid_levels(sizes, min(image.shape[:2]))
        keypoints = [
            cv2.KeyPoint(x=float(x), y=float(y), size=float(size), angle=float(angle), octave=octave)
            for (x, y), size, angle, octave in zip(features.keypoints, sizes, angles, levels.tolist(), strict=True)
        ]
        _, values = self._sift.compute(to_gray(image), (*keypoints, _FINEST))
        return self._normalize(values[:-1])

    def _normalize(self, values: np.ndarray) -> np.ndarray:
        return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


class RootSiftDescriptor(SiftDescriptor):
    """SIFT compared by the Hellinger kernel: L1-normalized, then the square root of each value."""

    name = "rootsift"

    def _normalize(self, values: np.ndarray) -> np.ndarray:
        return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1e-12))


def pyramid_levels(sizes: np.ndarray, side: int) -> np.ndarray:
    """Return octave and layer of keypoints in OpenCV's scale pyramid from their diameters, packed like in OpenCV.

    A keypoint of layer l = 1..3 (refined by an offset within half a layer) of octave o = -1, 0, … has the diameter
    2 * sigma * 2^(o + l / 3), so the diameter determines both.

    Args:
        sizes: N diameters, pixels.
        side: shorter side of the image in pixels, which limits the number of octaves.
    """
    levels = np.log2(np.maximum(sizes, 1e-3) / (2 * _SIGMA)) * _LAYERS
    octaves = np.ceil((levels - _LAYERS - 0.5) / _LAYERS).astype(np.int64).clip(-1, int(np.log2(side)))
    layers = np.round(levels - octaves * _LAYERS).astype(np.int64).clip(1, _LAYERS)
    return octaves & 255 | layers << 8
