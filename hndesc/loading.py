"""Using a model from Python: photos in, numpy arrays out."""

import os
from pathlib import Path

import numpy as np

from hndesc.descriptors import load_descriptor
from hndesc.errors import HndescError
from hndesc.features import Features
from hndesc.images import read_image
from hndesc.keypoints import Detector, load_detector
from hndesc.weights import DEFAULT, shipped_models

Photo = str | os.PathLike | np.ndarray


class Model:
    """A model that describes photos.

    Photos are files, or arrays as `imageio` or Pillow give them: H x W x 3 (RGB) or H x W, uint8. Keypoints are (x, y)
    in pixels; the centre of the top-left pixel is (0, 0).

    Attributes:
        name: of the model.
        dim: length of a descriptor.
    """

    def __init__(self, checkpoint: str | Path, detector: Detector, device: str = "auto") -> None:
        self._network = load_descriptor(Path(checkpoint), device=device)
        self._detector = detector
        self.name: str = self._network.settings["name"]
        self.dim: int = self._network.settings["dim"]

    def describe(self, photo: Photo, keypoints: np.ndarray) -> np.ndarray:
        """Return the descriptors of given keypoints.

        Args:
            photo: file or array.
            keypoints: N x 2.

        Returns:
            N x dim float32, each of length 1: their products are similarities.

        Raises:
            HndescError: a photo or keypoints of another form.
        """
        image = _image(photo)
        points = np.asarray(keypoints, np.float32)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise HndescError(f"keypoints of shape {points.shape}; N x 2 finite numbers (x, y) are wanted")
        height, width = image.shape[:2]
        return self._network.describe(image, Features(points, (width, height), np.ones(len(points), np.float32)))

    def extract(self, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
        """Detect keypoints and describe them.

        Args:
            photo: file or array.

        Returns:
            Keypoints, N x 2 float32, and their descriptors, N x dim float32; the strongest keypoint first.
        """
        image = _image(photo)
        found = self._detector.detect(image)
        return found.keypoints, self._network.describe(image, found)


def load(
    model: str | os.PathLike = DEFAULT,
    detector: str = "sift",
    detector_weights: str | os.PathLike | None = None,
    max_keypoints: int | None = None,
    device: str = "auto",
) -> Model:
    """Load a model that comes in the box, or a checkpoint that hndesc has trained.

    Args:
        model: its name (`hndesc models` lists them), or a .safetensors file.
        detector: what finds keypoints where none are given (`hndesc.keypoints`).
        detector_weights: file of published weights, for detectors that need one.
        max_keypoints: the strongest so many of a photo, None for all.
        device: "auto" (a GPU where there is one), or a device of torch.

    Raises:
        HndescError: no such model or detector.
    """
    finder = load_detector(detector, detector_weights, max_keypoints=max_keypoints)
    return Model(find_model(model), finder, device)


def find_model(model: str | os.PathLike) -> Path:
    """Return the checkpoint file of a model that is given by its name or as a file.

    Raises:
        HndescError: neither.
    """
    shipped = shipped_models()
    path = shipped.get(str(model), Path(model))
    if not path.is_file():
        names = ", ".join(shipped) or "there are none"
        raise HndescError(f"'{model}' is neither a model in the box ({names}) nor an existing checkpoint file")
    return path


def _image(photo: Photo) -> np.ndarray:
    if not isinstance(photo, np.ndarray):
        return read_image(photo)
    if photo.dtype != np.uint8 or photo.ndim not in (2, 3) or photo.shape[2:] not in ((), (3,)):
        raise HndescError(f"a photo of {photo.dtype}, shape {photo.shape}; uint8, H x W x 3 (RGB) or H x W is wanted")
    return photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, axis=2)
