"""Using a model from Python: photos in, numpy arrays out."""

import os
from numbers import Integral
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image

from hndesc.descriptors import load_descriptor
from hndesc.detectors import Detector, load_detector
from hndesc.errors import HndescError, MissingWeightsError
from hndesc.io.features import Features
from hndesc.io.images import read_image
from hndesc.io.pixel_values import array_to_rgb, to_rgb
from hndesc.models.bundled import DEFAULT, bundled_models
from hndesc.models.checkpoint import read_card
from hndesc.runtime.spelling import suggest

ImageLike = str | os.PathLike | np.ndarray | torch.Tensor | Image.Image


class Extracted(tuple):
    """What is found in a photo: (keypoints, descriptors) as a tuple, with the scores beside them.

    >>> keypoints, descriptors = model.extract("photo.jpg")
    >>> model.extract("photo.jpg").scores

    Attributes:
        keypoints: N x 2 float32, (x, y) in pixels of the photo.
        descriptors: N x dim float32, each of length 1.
        scores: N float32, how strong a keypoint is, in the detector's own measure.
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
    """A model that describes photos; it can be pickled, and used in processes that are spawned or forked.

    A photo is a file; an image of Pillow, which is not turned by its EXIF tag; an array, H x W x 3 (RGB), H x W x 4
    (RGB and alpha, on white) or H x W: uint8, uint16 or floating-point values from 0 to 1; or a tensor of torch of
    these kinds, whose channels may be its first dimension, too. Keypoints are (x, y) in pixels; the center of the
    top-left pixel is (0, 0).

    Attributes:
        name: of the model.
        dim: length of a descriptor.
        parameters: how many numbers the network has learned.
        license: of the weights; None where the checkpoint states none.
    """

    def __init__(self, checkpoint: str | Path, detector: Detector, device: str = "auto") -> None:
        self._network = load_descriptor(Path(checkpoint), device=device)
        self._detector = detector
        self.name: str = self._network.settings["name"]
        self.dim: int = self._network.settings["dim"]
        self.parameters: int = sum(values.numel() for values in self._network.model.parameters())
        self.license: str | None = read_card(checkpoint).get("about", {}).get("license")

    def __repr__(self) -> str:
        facts = {"dim": self.dim, "parameters": self.parameters, "license": self.license}
        return f"Model({self.name!r}, {', '.join(f'{name}={value!r}' for name, value in facts.items())})"

    def describe(self, photo: ImageLike, keypoints: np.ndarray) -> np.ndarray:
        """Return the descriptors of given keypoints.

        Args:
            photo: file, array, tensor or image of Pillow.
            keypoints: N x 2.

        Returns:
            N x dim float32, each of length 1: their products are similarities.

        Raises:
            HndescError: a photo or keypoints of another form.
        """
        image = _image(photo)
        try:
            points = np.asarray(_to_numpy(keypoints), np.float32)
        except (TypeError, ValueError) as error:
            raise HndescError(f"keypoints are no numbers ({error}); N x 2 of them (x, y) are wanted") from None
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise HndescError(f"keypoints of shape {points.shape}; N x 2 finite numbers (x, y) are wanted")
        height, width = image.shape[:2]
        return self._network.describe(image, Features(points, (width, height), np.ones(len(points), np.float32)))

    def extract(self, photo: ImageLike) -> Extracted:
        """Detect keypoints and describe them.

        Args:
            photo: file, array, tensor or image of Pillow.

        Returns:
            Keypoints with descriptors and scores, the strongest keypoint first.

        Raises:
            HndescError: a photo of another form.
        """
        image = _image(photo)
        found = self._detector.detect(image)
        return Extracted(found.keypoints, self._network.describe(image, found), found.scores)


def load(
    model: str | os.PathLike = DEFAULT,
    detector: str = "sift",
    detector_weights: str | os.PathLike | None = None,
    max_keypoints: int | None = None,
    device: str = "auto",
) -> Model:
    """Load a bundled model, or a checkpoint that hndesc has trained.

    Args:
        model: its name (`hndesc models` lists them), or a .safetensors file.
        detector: what finds keypoints where none are given (`hndesc.detectors`).
        detector_weights: file of published weights, for detectors that need one.
        max_keypoints: the strongest so many of a photo, None for all.
        device: "auto" (a CUDA GPU where there is one, else the CPU), or a device of torch: "cpu", "cuda:1", "mps".

    Raises:
        HndescError: no such model, detector, file of weights or device.
    """
    if max_keypoints is not None and not (isinstance(max_keypoints, Integral) and max_keypoints > 0):
        raise HndescError(f"max_keypoints is {max_keypoints!r}; a whole number above 0, or None for all, is wanted")
    path = find_model(model)
    try:
        finder = load_detector(detector, detector_weights, max_keypoints=max_keypoints)
    except MissingWeightsError as error:
        raise HndescError(f"{error.args[0]}; give the file as detector_weights") from None
    return Model(path, finder, device)


def find_model(model: str | os.PathLike) -> Path:
    """Return the checkpoint file of a model that is given by its name or as a file.

    Raises:
        HndescError: neither.
    """
    bundled = bundled_models()
    path = bundled.get(str(model), Path(model))
    if not path.is_file():
        names = ", ".join(bundled) or "there are none"
        meant = suggest(str(model), bundled)
        raise HndescError(f"'{model}' is neither a bundled model ({names}) nor an existing checkpoint file{meant}")
    return path


def _image(photo: ImageLike) -> np.ndarray:
    """Return a photo as RGB, uint8, H x W x 3."""
    if isinstance(photo, str | os.PathLike):
        return read_image(photo)
    if isinstance(photo, np.ndarray):
        return array_to_rgb(photo)
    if isinstance(photo, torch.Tensor):
        return array_to_rgb(_channels_last(_to_numpy(photo)))
    if not isinstance(photo, Image.Image):
        raise HndescError(
            f"a photo of type {type(photo).__name__}; one file, array, tensor or image of Pillow is wanted"
        )
    try:
        return to_rgb(photo)
    except (OSError, SyntaxError, ValueError) as error:
        raise HndescError(f"a photo of Pillow's mode {photo.mode} cannot be read as RGB ({error})") from None


def _to_numpy(values: object) -> object:
    """Return a tensor as an array; anything else as it is."""
    if not isinstance(values, torch.Tensor):
        return values
    try:
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy(force=True)
    except (TypeError, RuntimeError) as error:  # sparse, nested, quantized, ...
        raise HndescError(f"a tensor that cannot be read as an array ({error}); give a dense one of numbers") from None


def _channels_last(array: np.ndarray) -> np.ndarray:
    """Return C x H x W as H x W x C; both are usual for tensors."""
    counts = (1, 3, 4)
    if array.ndim != 3 or array.shape[0] not in counts:
        return array
    if array.shape[2] in counts:
        raise HndescError(
            f"a photo of shape {array.shape} may be C x H x W or H x W x C; give it as an array H x W x C"
        )
    return array.transpose(1, 2, 0)
