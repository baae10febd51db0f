"""Keypoint detectors, one file each.

`detect(image)` takes an RGB uint8 H x W x 3 image and returns `Features` without descriptors in pixels of that image,
strongest first. `settings` is a JSON-serializable description of the detector.
"""

import os
from typing import Any, Protocol

import numpy as np

from hndesc.errors import check_count
from hndesc.io.features import Features
from hndesc.runtime.plugins import Registry

DETECTORS = Registry(
    "detector",
    {
        "aliked": "hndesc.detectors.aliked:AlikedDetector",
        "disk": "hndesc.detectors.disk:DiskDetector",
        "hndesc": "hndesc.detectors.hndesc:HndescDetector",
        "r2d2": "hndesc.detectors.r2d2:R2d2Detector",
        "sift": "hndesc.detectors.sift:SiftDetector",
        "superpoint": "hndesc.detectors.superpoint:SuperPointDetector",
        "xfeat": "hndesc.detectors.xfeat:XFeatDetector",
    },
)


class Detector(Protocol):
    """The interface of a detector."""

    settings: dict

    def detect(self, image: np.ndarray) -> Features:
        """Detect the keypoints of an RGB uint8 H x W x 3 image."""
        ...


def load_detector(name: str, weights: str | os.PathLike | None = None, **settings: Any) -> Detector:
    """Return the detector registered as `name`.

    Args:
        name: a name of `DETECTORS`.
        weights: file of pretrained weights, for learned detectors.
        settings: settings of the detector, see its class; unknown ones raise a HndescError.
    """
    if "max_keypoints" in settings:
        settings["max_keypoints"] = check_count("max_keypoints", settings["max_keypoints"])
    if weights is not None:
        settings["weights"] = weights
    return DETECTORS.build(name, **settings)
