"""What detection and description share: reading of images, resuming, and the settings in feature files."""

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
from hndesc.errors import HndescError, ImageError
from hndesc.io.features import Features, FeatureWriter
from hndesc.io.hdf5 import check_hdf5_output
from hndesc.io.images import scale_points

logger = logging.getLogger(__name__)

_READ_AHEAD = 2


def check_output(output: str | Path, images: Sequence[ImageEntry], *inputs: Any) -> None:
    """Refuse an output that cannot be written or is an image or another input; None among `inputs` is skipped."""
    check_hdf5_output(output, [*filter(None, inputs), *(entry.path for entry in images)])


def recorded_settings(
    detector: dict | None, resize_max: int | None, descriptor: dict | None = None, views: bool = False
) -> dict:
    """Return the settings that a feature file records."""
    settings = {"hndesc": __version__, "detector": detector, "resize_max": resize_max}
    if descriptor is None:
        return settings
    return settings | {"descriptor": descriptor} | ({"views": True} if views else {})


def rescale(features: Features, factors: np.ndarray, image: np.ndarray) -> Features:
    """Scale features to a resized image."""
    keypoints = scale_points(features.keypoints, factors).astype(np.float32)
    extra = dict(features.extra)
    if "sizes" in extra:
        extra["sizes"] = (extra["sizes"] * np.sqrt(np.prod(factors))).astype(np.float32)
    return replace(features, keypoints=keypoints, image_size=(image.shape[1], image.shape[0]), extra=extra)


def process_images(
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
