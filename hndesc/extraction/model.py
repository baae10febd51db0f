"""The Python interface of a model, from images to numpy arrays."""

import os
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from PIL import Image

from hndesc.descriptors.network import NetworkDescriptor
from hndesc.detectors import Detector, load_detector
from hndesc.errors import HndescError, MissingWeightsError, check_count
from hndesc.extraction.extractor import describe
from hndesc.io.exif import exif_matrix
from hndesc.io.features import Features, check_inside
from hndesc.io.image_reading import check_size
from hndesc.io.images import read_image
from hndesc.io.pixel_values import array_to_rgb, to_rgb
from hndesc.matching.pair import Matches, match_pair
from hndesc.matching.ratios import MATCH_RATIO
from hndesc.models.bundled import DEFAULT, bundled_models
from hndesc.models.checkpoint import read_card
from hndesc.runtime.spelling import suggest

# Formats that Pillow decodes by running a program.
_PROGRAMS = ("EPS", "WMF")
ImageLike: TypeAlias = str | os.PathLike | np.ndarray | torch.Tensor | Image.Image


class Extracted(tuple):
    """The features of an image: a tuple (keypoints, descriptors) with the scores as an attribute.

    Examples:
        >>> keypoints, descriptors = model.extract("photo.jpg")
        >>> model.extract("photo.jpg").scores

    Attributes:
        keypoints: N x 2 float32, (x, y) in pixels of the image.
        descriptors: N x dim float32, L2-normalized.
        scores: N float32, strength of the keypoints on the scale of the detector.
    """

    keypoints: np.ndarray
    descriptors: np.ndarray
    scores: np.ndarray

    def __new__(cls, keypoints: np.ndarray, descriptors: np.ndarray, scores: np.ndarray) -> Self:
        self = super().__new__(cls, (keypoints, descriptors))
        self.keypoints, self.descriptors, self.scores = keypoints, descriptors, scores
        return self

    def __getnewargs__(self) -> tuple[np.ndarray, ...]:
        return *self, self.scores

    def __repr__(self) -> str:
        return f"Extracted({len(self.keypoints)} keypoints, {self.descriptors.shape[1]}-D)"


class Model:
    """A model that describes images. It can be pickled and used in spawned or forked processes.

    An image is a file; a Pillow image, which is not rotated by its EXIF tag; an array, H x W x 3 (RGB), H x W x 4 (RGB
    and alpha, on white) or H x W, with uint8, uint16 or floating-point values from 0 to 1; or a torch tensor of these
    kinds, whose channels can also be the first dimension. Keypoints are (x, y) in pixels; the center of the top-left
    pixel is (0, 0).

    Attributes:
        name: name of the model.
        dim: length of a descriptor.
        parameters: number of learned parameters.
        license: license of the weights; None if the checkpoint does not state one.
    """

    def __init__(
        self, checkpoint: str | Path, detector: Detector, device: str = "auto", compute_precision: str = "auto"
    ) -> None:
        self._network = NetworkDescriptor(checkpoint, device, compute_precision=compute_precision)
        self._detector = detector
        self.name: str = self._network.settings["name"]
        self.dim: int = self._network.settings["dim"]
        self.parameters: int = self._network.parameters
        self.license: str | None = read_card(checkpoint).get("about", {}).get("license")

    def __repr__(self) -> str:
        facts = {"dim": self.dim, "parameters": self.parameters, "license": self.license}
        return f"Model({self.name!r}, {', '.join(f'{name}={value!r}' for name, value in facts.items())})"

    def describe(self, image: ImageLike, keypoints: np.ndarray) -> np.ndarray:
        """Return the descriptors of given keypoints.

        Args:
            image: file, array, tensor or Pillow image.
            keypoints: N x 2.

        Returns:
            N x dim float32, L2-normalized, so that inner products are similarities.

        Raises:
            HndescError: the image or the keypoints have an unsupported form, or keypoints lie outside the image.
        """
        pixels, points = _to_pixels(image), _to_points(keypoints)
        height, width = pixels.shape[:2]
        check_inside(points, (width, height), "the image")
        return self._network.describe(pixels, Features(points, (width, height), np.ones(len(points), np.float32)))

    def extract(self, image: ImageLike) -> Extracted:
        """Detect keypoints and describe them.

        Args:
            image: file, array, tensor or Pillow image.

        Returns:
            Keypoints with descriptors and scores, the strongest keypoint first.

        Raises:
            HndescError: the image has an unsupported form.
        """
        pixels = _to_pixels(image)
        found = self._detector.detect(pixels)
        return Extracted(found.keypoints, self._network.describe(pixels, found), found.scores)

    def match(
        self,
        first: ImageLike,
        second: ImageLike,
        *,
        ratio: float | None = MATCH_RATIO,
        geometry: str | None = None,
        estimator: str = "magsac",
        threshold: float = 3.0,
        views: bool = True,
        intrinsics: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Matches:
        """Match two images and estimate the geometry that relates them.

        Examples:
            >>> found = model.match("a.jpg", "b.jpg")
            >>> found.points0[found.inliers], found.points1[found.inliers], found.matrix

        Args:
            first: file, array, tensor or Pillow image.
            second: the other image, likewise.
            ratio: upper bound of the ratio of the distances to the nearest and second nearest descriptor; None for all
                mutual nearest neighbors.
            geometry: "homography", "fundamental", "essential" or "none"; None for a fundamental matrix, or a homography
                where it explains the matches as well (`hndesc.geometry.two_view`).
            estimator: "magsac", "ransac" or "poselib".
            threshold: largest error of an inlier in pixels.
            views: whether to describe the images rotated by multiples of 90 degrees and at half size, too, and match
                the best pair; takes 4.5 times as long, 1.4 times by a model with a steerer.
            intrinsics: of both images, 3 x 3 each, for an essential matrix; None for the focal lengths of the EXIF data
                of files, else 1.2 times the longer side.

        Raises:
            HndescError: an image has an unsupported form, or a setting is out of bounds.
        """
        pixels = _to_pixels(first), _to_pixels(second)
        if geometry == "essential" and intrinsics is None:
            intrinsics = _intrinsics(first, pixels[0]), _intrinsics(second, pixels[1])
        a, b = (
            describe(self._network, one, self._detector.detect(one), resize_max=None, views=views) for one in pixels
        )
        return match_pair(
            a, b, ratio=ratio, geometry=geometry, estimator=estimator, threshold=threshold, intrinsics=intrinsics
        )


def load(
    model: str | os.PathLike = DEFAULT,
    detector: str = "sift",
    detector_weights: str | os.PathLike | None = None,
    max_keypoints: int | None = None,
    device: str = "auto",
    compute_precision: str = "auto",
) -> Model:
    """Load a bundled model or a checkpoint of hndesc.

    Args:
        model: name (listed by `hndesc models`) or .safetensors file.
        detector: detector for `extract` (`hndesc.detectors`).
        detector_weights: file of pretrained weights, for detectors that need one.
        max_keypoints: maximum number of keypoints per image, the strongest ones; None for all.
        device: "auto" (a CUDA GPU if there is one, else the CPU), or a torch device: "cpu", "cuda:1", "mps".
        compute_precision: of the network: "float32", "bfloat16", or "auto" (bfloat16 on GPUs and CPUs with units for
            it, else float32).

    Raises:
        HndescError: the model, detector, weights file, device or precision does not exist.
    """
    max_keypoints = check_count("max_keypoints", max_keypoints)
    path = find_model(model)
    try:
        keypoint_detector = load_detector(detector, detector_weights, max_keypoints=max_keypoints)
    except MissingWeightsError as error:
        raise HndescError(f"{error.args[0]}; give the file as detector_weights") from None
    return Model(path, keypoint_detector, device, compute_precision)


def find_model(model: str | os.PathLike) -> Path:
    """Return the checkpoint file of a model given by name or file.

    Raises:
        HndescError: there is no such model or file.
    """
    bundled = bundled_models()
    if not isinstance(model, str | os.PathLike):
        raise HndescError(f"a model of type {type(model).__name__}; expected a name or a file")
    path = bundled.get(str(model), Path(model))
    if not os.path.isfile(path):
        names = ", ".join(bundled) or "there are none"
        hint = suggest(str(model), bundled)
        raise HndescError(f"'{model}' is neither a bundled model ({names}) nor an existing checkpoint file{hint}")
    return path


def _intrinsics(image: ImageLike, pixels: np.ndarray) -> np.ndarray:
    return exif_matrix(image if isinstance(image, str | os.PathLike) else None, (pixels.shape[1], pixels.shape[0]))


def _to_pixels(image: ImageLike) -> np.ndarray:
    """Convert an image to RGB, uint8, H x W x 3."""
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, np.ndarray):
        return array_to_rgb(_unmasked(image))
    if isinstance(image, torch.Tensor):
        return array_to_rgb(_channels_last(_to_numpy(image)))
    if not isinstance(image, Image.Image):
        raise HndescError(
            f"an image of type {type(image).__name__}; expected a file, an array, a tensor or a Pillow image"
        )
    return _decode(image)


def _decode(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image to RGB; one that is not loaded yet is read from its file."""
    kind = f"a Pillow image of mode {image.mode}"
    if image.format in _PROGRAMS and getattr(image, "tile", None):  # not loaded yet
        raise HndescError(f"{kind} is {image.format}, which runs a program; save it as PNG")
    if 0 in image.size:
        raise HndescError(f"{kind} has no pixels ({image.width} x {image.height})")
    check_size(image, kind)
    try:
        return to_rgb(image)
    except HndescError:
        raise
    except MemoryError:
        raise HndescError(f"{kind} needs more memory than there is; make it smaller") from None
    except Exception as error:  # Pillow's decoders raise anything when a file is broken
        raise HndescError(f"{kind} cannot be converted to RGB ({error or type(error).__name__})") from None


def _to_points(keypoints: object) -> np.ndarray:
    """Convert keypoints to N x 2 float32; an empty list has none."""
    expected = "expected N x 2 finite numbers (x, y)"
    try:
        values = _unmasked(np.asanyarray(_to_numpy(keypoints)))
        if values.dtype.kind not in "fiuO":
            raise TypeError(f"their type is {values.dtype}")
        with np.errstate(over="ignore"):
            points = values.astype(np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise HndescError(f"keypoints are not numbers ({error}); {expected}") from None
    if points.shape == (0,):
        return points.reshape(0, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise HndescError(f"keypoints have shape {points.shape}; {expected}")
    if not np.isfinite(points).all():
        raise HndescError(f"keypoints are not finite; {expected}")
    return points


def _unmasked(array: np.ndarray) -> np.ndarray:
    """Refuse an array with masked values; return any other without its subclass."""
    if np.ma.is_masked(array):
        raise HndescError("an array has masked values; fill them or leave them out")
    return np.asarray(array)


def _to_numpy(values: Any) -> Any:
    """Convert a tensor to an array; return anything else unchanged."""
    if not isinstance(values, torch.Tensor):
        return values
    try:
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy(force=True)
    except (TypeError, RuntimeError) as error:  # sparse, nested, quantized, ...
        raise HndescError(
            f"a tensor cannot be converted to an array ({error}); give a dense tensor of numbers"
        ) from None


def _channels_last(array: np.ndarray) -> np.ndarray:
    """Convert C x H x W to H x W x C; both are common for tensors."""
    counts = (1, 3, 4)
    if array.ndim != 3 or array.shape[0] not in counts:
        return array
    if array.shape[2] in counts:
        raise HndescError(
            f"an image of shape {array.shape} is ambiguous (C x H x W or H x W x C); give it as an array H x W x C"
        )
    return array.transpose(1, 2, 0)
