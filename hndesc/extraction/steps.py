"""From photos to feature files: detecting keypoints, describing them, or both at once.

Keypoints are stored in pixels of the original photo (after cutting out its box, if it has one); photos are described at
the resolution at which their keypoints were detected. A photo that cannot be read is skipped and recorded in the file.
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
from hndesc.errors import HndescError, ImageError
from hndesc.io.features import FeatureReader, Features, FeatureWriter
from hndesc.io.files import check_output_file
from hndesc.io.images import resize_longest, scale_points

logger = logging.getLogger(__name__)

PRECISIONS = ("float32", "float16")
_READ_AHEAD = 2


def detect_keypoints(
    photos: Sequence[ImageEntry],
    output: str | Path,
    detector: str = "sift",
    weights: str | Path | None = None,
    max_keypoints: int | None = None,
    resize_max: int | None = None,
    **detector_settings: Any,
) -> None:
    """Detect the keypoints of photos and store them without descriptors.

    Args:
        photos: what to work on.
        output: feature file.
        detector: name of a detector (`hndesc.detectors`).
        weights: file of the detector's weights, if it wants one.
        max_keypoints: keep so many of the strongest of each photo, None for all.
        resize_max: shrink photos to this longest side (pixels) before detecting, None for full resolution.
        detector_settings: further settings of the detector.

    Raises:
        HndescError: bad settings or weights, or no photo could be read.
    """
    _check_output(output, photos, weights)
    finder = load_detector(detector, weights, max_keypoints=max_keypoints, **detector_settings)
    settings = _settings(finder.settings, resize_max)
    _process(photos, output, settings, lambda photo, image: _detect(finder, image, resize_max))


def describe_keypoints(
    photos: Sequence[ImageEntry],
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
        photos: what to work on; photos that failed at detection are recorded as failed here, too.
        keypoints: feature file with an entry for each photo.
        output: feature file: the same keypoints with descriptors.
        descriptor: name of a descriptor (`hndesc.descriptors`) or a checkpoint file.
        resize_max: longest side (pixels) at which to describe; None for that of the detection, as the file tells it.
        precision: in which descriptors are stored, "float32" or "float16": half the disk, and rankings hardly change.
        views: describe them in further views of the photo, too (`hndesc.descriptors.views`): four times the work.
        descriptor_settings: further settings of the descriptor.

    Raises:
        HndescError: bad settings, weights or keypoints, or no photo could be read.
    """
    if precision not in PRECISIONS:
        raise HndescError(f"unknown precision '{precision}'; choose one of: {', '.join(PRECISIONS)}")
    _check_output(output, photos, keypoints, descriptor, descriptor_settings.get("weights"))
    describer = load_descriptor(descriptor, **descriptor_settings)
    with FeatureReader(keypoints) as reader:
        stored = reader.settings
        if resize_max is None:
            resize_max = stored.get("resize_max")
        views = _wanted(views, describer)
        settings = _settings(stored.get("detector"), resize_max, describer.settings, views)
        if precision != PRECISIONS[0]:
            settings["precision"] = precision

        def describe(photo: ImageEntry, image: np.ndarray) -> Features:
            features = _describe(describer, image, _stored(reader, photo, image), resize_max, views)
            others = None if features.views is None else features.views.astype(precision)
            return replace(features, descriptors=features.descriptors.astype(precision), views=others)

        _process(
            photos,
            output,
            settings,
            describe,
            failed=reader.failed,
            source=reader.identity,
        )


def extract(
    photos: Sequence[ImageEntry],
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
    """Detect and describe in one go; the same features as `detect_keypoints` and `describe_keypoints` in turn.

    Args:
        photos: what to work on.
        output: feature file.
        descriptor: name of a descriptor (`hndesc.descriptors`) or a checkpoint file.
        detector: see `detect_keypoints`, as for the arguments that follow it.
        descriptor_weights: file of the descriptor's weights, if it wants one; its own detector has the same.
        views: see `describe_keypoints`.
    """
    _check_output(output, photos, descriptor, weights, descriptor_weights)
    if weights is None and detector == descriptor:
        weights = descriptor_weights
    finder = load_detector(detector, weights, max_keypoints=max_keypoints, **detector_settings)
    describer = load_descriptor(descriptor, descriptor_weights)
    views = _wanted(views, describer)
    settings = _settings(finder.settings, resize_max, describer.settings, views)

    def both(_: ImageEntry, image: np.ndarray) -> Features:
        return _describe(describer, image, _detect(finder, image, resize_max), resize_max, views)

    _process(photos, output, settings, both)


def _check_output(output: str | Path, photos: Sequence[ImageEntry], *inputs: object) -> None:
    check_output_file(output, [*filter(None, inputs), *(photo.path for photo in photos)])


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
    """Move features into a resized image."""
    keypoints = scale_points(features.keypoints, factors).astype(np.float32)
    extra = dict(features.extra)
    if "sizes" in extra:
        extra["sizes"] = (extra["sizes"] * np.sqrt(np.prod(factors))).astype(np.float32)
    return replace(features, keypoints=keypoints, image_size=(image.shape[1], image.shape[0]), extra=extra)


def _stored(reader: FeatureReader, photo: ImageEntry, image: np.ndarray) -> Features:
    features = reader.read(photo.name)
    if features.orientation != photo.orientation:
        raise HndescError(
            f"{reader.path}: keypoints of '{photo.name}' belong to the photo turned by EXIF orientation "
            f"{features.orientation}, but it is read by {photo.orientation} (1: as it is stored); detect them again"
        )
    size = image.shape[1], image.shape[0]
    if features.image_size not in (size, (0, 0)):  # (0, 0): written by a program that does not tell
        raise HndescError(
            f"{reader.path}: keypoints of '{photo.name}' belong to an image of (width, height) {features.image_size}, "
            f"but {photo.path} has {size}; detect them again"
        )
    return features


def _process(
    photos: Sequence[ImageEntry],
    output: str | Path,
    settings: dict,
    work: Callable[[ImageEntry, np.ndarray], Features],
    failed: dict[str, str] | None = None,
    source: str = "",
) -> None:
    """Store `work(photo, image)` of each photo; an interrupted run with equal settings and sources is resumed."""
    if not photos:
        raise HndescError(f"{output}: no photos to work on")
    known = failed or {}
    reasons: list[str] = []
    empty = 0
    entries = {photo.name: photo.identity for photo in photos}
    with FeatureWriter(output, settings, source, entries) as writer:
        waiting = [photo for photo in photos if photo.name not in writer]
        progress = tqdm(waiting, desc=Path(output).name, unit="photo", disable=None)
        for photo, reading in _read_ahead(progress):
            try:
                if photo.name in known:
                    raise ImageError(known[photo.name])
                features = replace(work(photo, reading.result()), orientation=photo.orientation)
                writer.write(photo.name, features)
                if len(features) == 0:
                    empty += 1
                    logger.warning("no keypoint in '%s'", photo.name)
            except ImageError as error:
                reasons.append(str(error))
                logger.warning("skipped '%s': %s", photo.name, error)
                writer.fail(photo.name, str(error))
        if len(reasons) == len(photos):
            raise HndescError(f"{output}: none of {len(photos)} photos could be read; the first: {reasons[0]}")
    logger.info("%s: %d photos, %d skipped, %d without a keypoint", output, len(photos), len(reasons), empty)


def _read_ahead(photos: Iterator[ImageEntry]) -> Iterator[tuple[ImageEntry, Future]]:
    """Read the next photos while one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        reading: deque[tuple[ImageEntry, Future]] = deque()
        for photo in photos:
            reading.append((photo, pool.submit(photo.read)))
            if len(reading) > _READ_AHEAD:
                yield reading.popleft()
        yield from reading
