"""The steps that create feature files: detection of keypoints, description, or both.

Keypoints are stored in pixels of the original image (after cropping to its box, if it has one). Images are described at
the resolution at which their keypoints were detected. Unreadable images are skipped and recorded in the file.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hndesc import __version__
from hndesc.datasets.image_set import ImageEntry
from hndesc.descriptors import Descriptor, load_descriptor
from hndesc.descriptors.views import describe_views
from hndesc.detectors import Detector, load_detector
from hndesc.errors import HndescError, ImageError, check_count
from hndesc.io.features import FeatureReader, Features, FeatureWriter, check_inside
from hndesc.io.hdf5 import check_hdf5_output
from hndesc.io.images import resize_longest, scale_points

logger = logging.getLogger(__name__)

PRECISIONS = ("float32", "float16")
_READ_AHEAD = 2


def detect_keypoints(
    images: Sequence[ImageEntry],
    output: str | Path,
    detector: str = "sift",
    weights: str | Path | None = None,
    max_keypoints: int | None = None,
    resize_max: int | None = None,
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
        detector_settings: further settings of the detector.

    Raises:
        HndescError: settings or weights are invalid, or no image is readable.
    """
    resize_max = check_count("resize_max", resize_max)
    _check_output(output, images, weights)
    finder = load_detector(detector, weights, max_keypoints=max_keypoints, **detector_settings)
    settings = _settings(finder.settings, resize_max)
    _process(images, output, settings, lambda entry, image: _detect(finder, image, resize_max))


def describe_keypoints(
    images: Sequence[ImageEntry],
    keypoints: str | Path,
    output: str | Path,
    descriptor: str | Path,
    resize_max: int | None = None,
    precision: str = "float32",
    views: bool = False,
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
        views: also describe keypoints in further views of the image (`hndesc.descriptors.views`); takes four times as
            long.
        descriptor_settings: further settings of the descriptor.

    Raises:
        HndescError: settings, weights or keypoints are invalid, or no image is readable.
    """
    if precision not in PRECISIONS:
        raise HndescError(f"unknown precision '{precision}'; choose one of: {', '.join(PRECISIONS)}")
    resize_max = check_count("resize_max", resize_max)
    _check_output(output, images, keypoints, descriptor, descriptor_settings.get("weights"))
    describer = load_descriptor(descriptor, **descriptor_settings)
    with FeatureReader(keypoints) as reader:
        stored = reader.settings
        if resize_max is None:
            resize_max = stored.get("resize_max")
        views = _wanted(views, describer)
        settings = _settings(stored.get("detector"), resize_max, describer.settings, views)
        if precision != PRECISIONS[0]:
            settings["precision"] = precision

        def describe(entry: ImageEntry, image: np.ndarray) -> Features:
            features = _describe(describer, image, _stored(reader, entry, image), resize_max, views)
            others = None if features.views is None else features.views.astype(precision)
            return replace(features, descriptors=features.descriptors.astype(precision), views=others)

        _process(
            images,
            output,
            settings,
            describe,
            failed=reader.failed,
            source=reader.identity,
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
    **detector_settings: Any,
) -> None:
    """Detect and describe keypoints; equivalent to `detect_keypoints` followed by `describe_keypoints`.

    Args:
        images: images to process.
        output: feature file to write.
        descriptor: name of a descriptor (`hndesc.descriptors`) or a checkpoint file.
        detector: name of a detector (`hndesc.detectors`).
        weights: weights file of the detector, if it needs one.
        max_keypoints: see `detect_keypoints`.
        resize_max: see `detect_keypoints`.
        descriptor_weights: weights file of the descriptor, if it needs one; also used for its own detector.
        views: see `describe_keypoints`.
        **detector_settings: further settings of the detector.
    """
    resize_max = check_count("resize_max", resize_max)
    _check_output(output, images, descriptor, weights, descriptor_weights)
    if weights is None and detector == descriptor:
        weights = descriptor_weights
    finder = load_detector(detector, weights, max_keypoints=max_keypoints, **detector_settings)
    describer = load_descriptor(descriptor, descriptor_weights)
    views = _wanted(views, describer)
    settings = _settings(finder.settings, resize_max, describer.settings, views)

    def both(_: ImageEntry, image: np.ndarray) -> Features:
        return _describe(describer, image, _detect(finder, image, resize_max), resize_max, views)

    _process(images, output, settings, both)


def _check_output(output: str | Path, images: Sequence[ImageEntry], *inputs: Any) -> None:
    check_hdf5_output(output, [*filter(None, inputs), *(entry.path for entry in images)])


def _wanted(views: bool, descriptor: Descriptor) -> bool:
    """Return whether further views are described; not by descriptors that turn and grow with the keypoints."""
    if views and getattr(descriptor, "oriented", False):
        logger.info("%s turns and grows with the keypoints; further views are left out", descriptor.settings["name"])
        return False
    return views


def _settings(
    detector: dict | None, resize_max: int | None, descriptor: dict | None = None, views: bool = False
) -> dict:
    settings = {"hndesc": __version__, "detector": detector, "resize_max": resize_max}
    if descriptor is None:
        return settings
    return settings | {"descriptor": descriptor} | ({"views": True} if views else {})


def _detect(detector: Detector, image: np.ndarray, resize_max: int | None) -> Features:
    resized, factors = resize_longest(image, resize_max)
    return _rescale(detector.detect(resized), 1 / factors, image)


def _describe(
    descriptor: Descriptor, image: np.ndarray, features: Features, resize_max: int | None, views: bool
) -> Features:
    resized, factors = resize_longest(image, resize_max)
    moved = _rescale(features, factors, resized)
    others = describe_views(descriptor, resized, moved) if views else None
    return replace(features, descriptors=descriptor.describe(resized, moved), views=others)


def _rescale(features: Features, factors: np.ndarray, image: np.ndarray) -> Features:
    """Scale features to a resized image."""
    keypoints = scale_points(features.keypoints, factors).astype(np.float32)
    extra = dict(features.extra)
    if "sizes" in extra:
        extra["sizes"] = (extra["sizes"] * np.sqrt(np.prod(factors))).astype(np.float32)
    return replace(features, keypoints=keypoints, image_size=(image.shape[1], image.shape[0]), extra=extra)


def _stored(reader: FeatureReader, entry: ImageEntry, image: np.ndarray) -> Features:
    features = reader.read(entry.name)
    if features.orientation != entry.orientation:
        raise HndescError(
            f"{reader.path}: keypoints of '{entry.name}' belong to the image rotated by EXIF orientation "
            f"{features.orientation}, but it is read with {entry.orientation} (1: as it is stored); detect them again"
        )
    size = image.shape[1], image.shape[0]
    if features.image_size not in (size, (0, 0)):  # (0, 0): unknown, in imported files
        raise HndescError(
            f"{reader.path}: keypoints of '{entry.name}' belong to an image of (width, height) {features.image_size}, "
            f"but {entry.path} has {size}; detect them again"
        )
    check_inside(features.keypoints, size, f"{reader.path}: '{entry.name}'")
    return features


def _process(
    images: Sequence[ImageEntry],
    output: str | Path,
    settings: dict,
    work: Callable[[ImageEntry, np.ndarray], Features],
    failed: dict[str, str] | None = None,
    source: str = "",
) -> None:
    """Store `work(entry, pixels)` of each image; an interrupted run with equal settings and sources is resumed."""
    if not images:
        raise HndescError(f"{output}: no images to process")
    known = failed or {}
    reasons: list[str] = []
    empty = 0
    entries = {entry.name: entry.identity for entry in images}
    with FeatureWriter(output, settings, source, entries) as writer:
        waiting = [entry for entry in images if entry.name not in writer]
        progress = tqdm(waiting, desc=Path(output).name, unit="photo", disable=None)
        for entry, reading in _read_ahead(progress):
            try:
                if entry.name in known:
                    raise ImageError(known[entry.name])
                features = replace(work(entry, reading.result()), orientation=entry.orientation)
                writer.write(entry.name, features)
                if len(features) == 0:
                    empty += 1
                    logger.warning("no keypoint in '%s'", entry.name)
            except ImageError as error:
                reasons.append(str(error))
                logger.warning("skipped '%s': %s", entry.name, error)
                writer.fail(entry.name, str(error))
        if len(reasons) == len(images):
            raise HndescError(f"{output}: none of {len(images)} images is readable (first: {reasons[0]})")
    logger.info("%s: %d images, %d skipped, %d without keypoints", output, len(images), len(reasons), empty)


def _read_ahead(images: Iterator[ImageEntry]) -> Iterator[tuple[ImageEntry, Future]]:
    """Read the next images while one is processed."""
    with ThreadPoolExecutor(1) as pool:
        reading: deque[tuple[ImageEntry, Future]] = deque()
        for entry in images:
            reading.append((entry, pool.submit(entry.read)))
            if len(reading) > _READ_AHEAD:
                yield reading.popleft()
        yield from reading
