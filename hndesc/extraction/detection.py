"""The step that detects keypoints.

Keypoints are stored in pixels of the original image (after cropping to its box, if it has one). Unreadable images are
skipped and recorded in the file.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hndesc.datasets.image_set import ImageEntry
from hndesc.detectors import Detector, load_detector
from hndesc.errors import check_count
from hndesc.extraction.processing import check_output, process_images, recorded_settings, rescale
from hndesc.io.features import Features
from hndesc.io.images import resize_longest


def detect_keypoints(
    images: Sequence[ImageEntry],
    output: str | Path,
    detector: str = "sift",
    weights: str | Path | None = None,
    max_keypoints: int | None = None,
    resize_max: int | None = None,
    workers: int = 1,
    **detector_settings: Any,
) -> None:
    """Detect the keypoints of images and store them without descriptors.

    Args:
        images: images to process.
        output: feature file to write.
        detector: name of a detector (`hndesc.detectors`).
        weights: weights file of the detector, if it needs one.
        max_keypoints: maximum number of keypoints per image, the strongest ones; None for all.
        resize_max: longest side in pixels to which images are downsized before detection; None for full resolution.
        workers: number of images at a time, each on one core; 1: one image on all cores.
        detector_settings: further settings of the detector.

    Raises:
        HndescError: settings or weights are invalid, or no image is readable.
    """
    resize_max = check_count("resize_max", resize_max)
    check_output(output, images, weights)
    finder = load_detector(detector, weights, max_keypoints=max_keypoints, **detector_settings)
    settings = recorded_settings(finder.settings, resize_max)
    process_images(images, output, settings, partial(_detect, finder, resize_max), workers=workers)


def _detect(
    detector: Detector, resize_max: int | None, _entry: ImageEntry, image: np.ndarray, _stored: Features | None
) -> Features:
    return detect(detector, image, resize_max)


def detect(detector: Detector, image: np.ndarray, resize_max: int | None) -> Features:
    """Detect the keypoints of an image after downsizing; they are returned in its own pixels."""
    resized, factors = resize_longest(image, resize_max)
    return rescale(detector.detect(resized), 1 / factors, image)
