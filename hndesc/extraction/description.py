"""The steps that describe keypoints: stored ones, or those that are detected at the same time.

Images are described at the resolution at which their keypoints were detected. Unreadable images are skipped and
recorded in the file.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hndesc.datasets.image_set import ImageEntry
from hndesc.descriptors import Descriptor, load_descriptor
from hndesc.errors import HndescError, check_count
from hndesc.extraction.extractor import Extractor, describe, wanted_views
from hndesc.extraction.processing import check_output, process_images, recorded_settings
from hndesc.io.features import FeatureReader, Features, check_inside

logger = logging.getLogger(__name__)

PRECISIONS = ("float32", "float16")


def describe_keypoints(
    images: Sequence[ImageEntry],
    keypoints: str | Path,
    output: str | Path,
    descriptor: str | Path,
    resize_max: int | None = None,
    precision: str = "float32",
    views: bool = False,
    workers: int = 1,
    **descriptor_settings: Any,
) -> None:
    """Describe stored keypoints.

    Args:
        images: images to process; images that failed at detection are recorded as failed, too.
        keypoints: feature file with an entry for each image.
        output: feature file to write: the same keypoints with descriptors.
        descriptor: name of a descriptor (`hndesc.descriptors`) or a checkpoint file.
        resize_max: longest side in pixels at which images are described; None for that of the detection.
        precision: storage precision of descriptors, "float32" or "float16". The latter halves the file size and hardly
            affects rankings.
        views: also describe keypoints in further views of the image (`hndesc.descriptors.views`); takes 4.5 times as
            long, 1.4 times by a model with a steerer.
        workers: number of images at a time, each on one core; 1: one image on all cores.
        descriptor_settings: further settings of the descriptor.

    Raises:
        HndescError: settings, weights or keypoints are invalid, or no image is readable.
    """
    if precision not in PRECISIONS:
        raise HndescError(f"unknown precision '{precision}'; choose one of: {', '.join(PRECISIONS)}")
    resize_max = check_count("resize_max", resize_max)
    check_output(output, images, keypoints, descriptor, descriptor_settings.get("weights"))
    describer = load_descriptor(descriptor, **descriptor_settings)
    with FeatureReader(keypoints) as reader:
        stored = reader.settings
        if resize_max is None:
            resize_max = stored.get("resize_max")
        views = wanted_views(views, describer)
        settings = recorded_settings(stored.get("detector"), resize_max, describer.settings, views)
        if precision != PRECISIONS[0]:
            settings["precision"] = precision
        process_images(
            images,
            output,
            settings,
            partial(_describe_stored, describer, str(reader.path), resize_max, views, precision),
            failed=reader.failed,
            source=reader.identity,
            stored=reader.read,
            workers=workers,
        )


def extract(
    images: Sequence[ImageEntry],
    output: str | Path,
    descriptor: str | Path,
    detector: str = "sift",
    weights: str | Path | None = None,
    max_keypoints: int | None = None,
    resize_max: int | None = None,
    descriptor_weights: str | Path | None = None,
    views: bool = False,
    workers: int = 1,
    **detector_settings: Any,
) -> None:
    """Detect and describe keypoints; equivalent to `detect_keypoints` followed by `describe_keypoints`.

    Args:
        images: images to process.
        output: feature file to write.
        descriptor: name of a descriptor (`hndesc.descriptors`) or a checkpoint file.
        detector: name of a detector (`hndesc.detectors`).
        weights: weights file of the detector, if it needs one.
        max_keypoints: see `hndesc.extraction.detection.detect_keypoints`.
        resize_max: see `hndesc.extraction.detection.detect_keypoints`.
        descriptor_weights: weights file of the descriptor, if it needs one; also used for its own detector.
        views: see `describe_keypoints`.
        workers: see `describe_keypoints`.
        **detector_settings: further settings of the detector.
    """
    resize_max = check_count("resize_max", resize_max)
    check_output(output, images, descriptor, weights, descriptor_weights)
    extractor = Extractor(
        descriptor, detector, weights, max_keypoints, resize_max, descriptor_weights, views, **detector_settings
    )
    process_images(images, output, extractor.settings, partial(_extract, extractor), workers=workers)


def _extract(extractor: Extractor, _entry: ImageEntry, image: np.ndarray, _stored: Features | None) -> Features:
    return extractor(image)


def _describe_stored(
    descriptor: Descriptor,
    path: str,
    resize_max: int | None,
    views: bool,
    precision: str,
    entry: ImageEntry,
    image: np.ndarray,
    stored: Features,
) -> Features:
    _check_stored(path, stored, entry, image)
    features = describe(descriptor, image, stored, resize_max, views)
    others = None if features.views is None else features.views.astype(precision)
    return replace(features, descriptors=np.asarray(features.descriptors, precision), views=others)


def _check_stored(path: str, features: Features, entry: ImageEntry, image: np.ndarray) -> None:
    """Raise an error if keypoints do not belong to an image as it is read."""
    if features.orientation != entry.orientation:
        raise HndescError(
            f"{path}: keypoints of '{entry.name}' belong to the image rotated by EXIF orientation "
            f"{features.orientation}, but it is read with {entry.orientation} (1: as it is stored); detect them again"
        )
    size = image.shape[1], image.shape[0]
    if features.image_size not in (size, (0, 0)):  # (0, 0): unknown, in imported files
        raise HndescError(
            f"{path}: keypoints of '{entry.name}' belong to an image of (width, height) {features.image_size}, "
            f"but {entry.path} has {size}; detect them again"
        )
    check_inside(features.keypoints, size, f"{path}: '{entry.name}'")
