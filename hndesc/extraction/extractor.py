"""Features of one image: detection and description at a resolution, in further views of the image if wanted."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hndesc.descriptors import Descriptor, load_descriptor
from hndesc.descriptors.views import describe_views
from hndesc.detectors import load_detector
from hndesc.errors import check_count
from hndesc.extraction.detection import detect
from hndesc.extraction.processing import recorded_settings, rescale
from hndesc.io.features import Features
from hndesc.io.images import resize_longest

logger = logging.getLogger(__name__)


class Extractor:
    """Extract the features of images.

    Args:
        descriptor: name of a descriptor (`hndesc.descriptors`) or a checkpoint file.
        detector: name of a detector (`hndesc.detectors`).
        weights: weights file of the detector, if it needs one.
        max_keypoints: maximum number of keypoints per image, the strongest ones; None for all.
        resize_max: longest side in pixels to which images are downsized; None for full resolution.
        descriptor_weights: weights file of the descriptor, if it needs one; also used for its own detector.
        views: whether to describe keypoints in further views of the image (`hndesc.descriptors.views`), too.
        detector_settings: further settings of the detector.

    Attributes:
        settings: what the features depend on, JSON-serializable.
        oriented: whether descriptors need sizes and angles of keypoints, which only the detector knows.
    """

    def __init__(
        self,
        descriptor: str | Path,
        detector: str = "sift",
        weights: str | Path | None = None,
        max_keypoints: int | None = None,
        resize_max: int | None = None,
        descriptor_weights: str | Path | None = None,
        views: bool = False,
        **detector_settings: Any,
    ) -> None:
        self._resize_max = check_count("resize_max", resize_max)
        if weights is None and detector == descriptor:
            weights = descriptor_weights
        self._detector = load_detector(detector, weights, max_keypoints=max_keypoints, **detector_settings)
        self._descriptor = load_descriptor(descriptor, descriptor_weights)
        self._views = wanted_views(views, self._descriptor)
        self.oriented: bool = getattr(self._descriptor, "oriented", False)
        self.settings = recorded_settings(
            self._detector.settings, self._resize_max, self._descriptor.settings, self._views
        )

    def __call__(self, image: np.ndarray) -> Features:
        """Return the features of an RGB uint8 H x W x 3 image, in its pixels."""
        return self.describe(image, detect(self._detector, image, self._resize_max))

    def describe(self, image: np.ndarray, features: Features) -> Features:
        """Return given keypoints of an image with descriptors."""
        return describe(self._descriptor, image, features, self._resize_max, self._views)


def wanted_views(views: bool, descriptor: Descriptor) -> bool:
    """Return whether further views are described; not by descriptors that use sizes and orientations of keypoints."""
    if views and getattr(descriptor, "oriented", False):
        name = descriptor.settings["name"]
        logger.info("%s describes images in one view: it uses the sizes and orientations of the keypoints", name)
        return False
    return views


def describe(
    descriptor: Descriptor, image: np.ndarray, features: Features, resize_max: int | None, views: bool
) -> Features:
    """Describe keypoints of an image after downsizing it."""
    resized, factors = resize_longest(image, resize_max)
    moved = rescale(features, factors, resized)
    if not views:
        return replace(features, descriptors=descriptor.describe(resized, moved), views=None)
    described = describe_views(descriptor, resized, moved)
    return replace(features, descriptors=described[0], views=described[1:])
