"""SIFT keypoints (Lowe, IJCV 2004) by OpenCV.

OpenCV doubles the size of the image to detect the finest keypoints. By default, this shifts every keypoint by +0.25
pixels in x and y (measured on Gaussian blobs). With `enable_precise_upscale`, which is used here for detection and
description, the bias is below 0.02 pixels.
"""

from functools import partial
from typing import Any

import cv2
import numpy as np

from hndesc.detectors.selection import inside, strongest, thin
from hndesc.io.features import Features
from hndesc.io.images import to_gray


class SiftDetector:
    """Detect SIFT keypoints, one per location.

    Of keypoints that differ only in orientation, the one with the smallest angle is kept, since OpenCV does not report
    the strength of orientations.

    Besides location and score, the features contain `sizes` (diameter in pixels, twice the scale of the blob) and
    `angles` (degrees), which the SIFT descriptor needs.

    Args:
        max_keypoints: maximum number of keypoints, those with the highest contrast; None for all.
        border: minimum distance of keypoints from the edges of the image in pixels.
        contrast_threshold: contrast threshold of OpenCV; lower values yield more keypoints.
        nms_radius: radius in pixels, across scales, in which only the keypoint of highest contrast is kept; 0: off.
    """

    def __init__(
        self,
        max_keypoints: int | None = None,
        border: int = 4,
        contrast_threshold: float = 0.04,
        nms_radius: int = 0,
    ) -> None:
        self.max_keypoints = max_keypoints
        self.border = border
        self.nms_radius = nms_radius
        self._sift = cv2.SIFT_create(contrastThreshold=contrast_threshold, enable_precise_upscale=True)
        self.settings: dict[str, Any] = {
            "name": "sift",
            "max_keypoints": max_keypoints,
            "border": border,
            "contrast_threshold": contrast_threshold,
            "nms_radius": nms_radius,
        }

    def __reduce__(self) -> tuple:
        # OpenCV objects cannot be pickled.
        return partial(type(self), **{name: value for name, value in self.settings.items() if name != "name"}), ()

    def detect(self, image: np.ndarray) -> Features:
        """Detect the keypoints of an RGB uint8 H x W x 3 image, strongest first."""
        size = image.shape[1], image.shape[0]
        found = self._sift.detect(to_gray(image), None)
        values = np.array([(*k.pt, k.response, k.size, k.angle) for k in found], np.float32).reshape(-1, 5)
        features = Features(values[:, :2], size, values[:, 2], extra={"sizes": values[:, 3], "angles": values[:, 4]})
        _, first = np.unique(features.keypoints, axis=0, return_index=True)
        features = features.take(first)
        features = features.take(inside(features.keypoints, size, self.border))
        if self.nms_radius > 0:
            features = features.take(thin(features.keypoints, features.scores, self.nms_radius))
        return features.take(strongest(features.scores, self.max_keypoints))
