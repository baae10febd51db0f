"""Speed of detectors, descriptors and matching on one image."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from tqdm import tqdm

from hndesc.descriptors import DESCRIPTORS, Descriptor, load_descriptor
from hndesc.detectors import DETECTORS, load_detector
from hndesc.errors import MissingWeightsError, counted
from hndesc.io.features import Features
from hndesc.matching.matcher import match_scored
from hndesc.models.bundled import bundled_models

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
_MARGIN = 4  # pixels between keypoints and the edge


@dataclass(frozen=True)
class Speed:
    """The time that one step takes.

    Attributes:
        step: "detect", "describe" or "match".
        name: of the detector or descriptor.
        processor: milliseconds of processor time, of all threads.
        wall: milliseconds that pass.
        result: what comes out: keypoints, descriptors x dimensions, matches.
    """

    step: str
    name: str
    processor: float
    wall: float
    result: str


def measure_speed(
    image: np.ndarray,
    detectors: Sequence[str] | None = None,
    descriptors: Sequence[str] | None = None,
    *,
    keypoints: int = 2048,
    seconds: float = 1.0,
) -> list[Speed]:
    """Measure detectors, descriptors at random keypoints, and matching of their descriptors of two images.

    Every step is repeated; the least times count, which other programs affect least. The first repetition, in which
    libraries and networks start, does not count.

    Args:
        image: RGB uint8 H x W x 3.
        detectors, descriptors: names or checkpoint files; None for all whose weights and packages are available.
        keypoints: most keypoints that are detected, and the number of those that are described and matched.
        seconds: for the repetitions of each step.

    Raises:
        HndescError: a name is unknown, or what it needs is missing.
    """
    steps = [(_detection, name) for name in (sorted(DETECTORS.places) if detectors is None else detectors)]
    every = [*bundled_models(), *sorted(DESCRIPTORS.places)]
    steps += [(_description, name) for name in (every if descriptors is None else descriptors)]
    rows: list[Speed] = []
    left_out = []
    for measure, name in tqdm(steps, desc="measured", disable=None):
        try:
            rows += measure(name, image, keypoints, seconds)
        except (MissingWeightsError, ModuleNotFoundError):
            if (detectors if measure is _detection else descriptors) is not None:
                raise
            left_out.append(name)
    if left_out:
        names = ", ".join(dict.fromkeys(left_out))
        logger.info("left out, since weights or packages are missing (hndesc datasets): %s", names)
    return rows


def _detection(name: str, image: np.ndarray, keypoints: int, seconds: float) -> Iterator[Speed]:
    detector = load_detector(name, max_keypoints=keypoints)
    processor, wall, found = least_times(lambda: detector.detect(image), seconds)
    yield Speed("detect", name, processor, wall, counted(len(found), "keypoint"))


def _description(name: str, image: np.ndarray, keypoints: int, seconds: float) -> Iterator[Speed]:
    descriptor = load_descriptor(name)
    features = _random_keypoints(image, keypoints)
    processor, wall, first = least_times(lambda: descriptor.describe(image, features), seconds)
    yield Speed("describe", name, processor, wall, f"{len(first):,} x {first.shape[1]}")
    sides = _described(features, first), _described(features, _mirrored(descriptor, image, features))
    processor, wall, (rows, _) = least_times(lambda: match_scored(*sides), seconds)
    yield Speed("match", name, processor, wall, counted(len(rows), "match"))


def _random_keypoints(image: np.ndarray, count: int) -> Features:
    height, width = image.shape[:2]
    largest = np.maximum([width - 1 - _MARGIN, height - 1 - _MARGIN], _MARGIN)
    points = np.random.default_rng(0).uniform(_MARGIN, largest, (count, 2)).astype(np.float32)
    return Features(points, (width, height), np.ones(count, np.float32))


def _mirrored(descriptor: Descriptor, image: np.ndarray, features: Features) -> np.ndarray:
    return descriptor.describe(np.ascontiguousarray(image[:, ::-1]), features)


def _described(features: Features, descriptors: np.ndarray) -> Features:
    return Features(features.keypoints, features.image_size, features.scores, descriptors)


def least_times(work: Callable[[], Result], seconds: float) -> tuple[float, float, Result]:
    """Repeat `work` for some seconds; return the least processor and wall-clock times in ms, and a result."""
    result = work()
    taken: list[tuple[float, float]] = []
    begin = time.perf_counter()
    while not taken or time.perf_counter() - begin < seconds:
        start = time.process_time(), time.perf_counter()
        result = work()
        taken.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    processor, wall = (1000 * min(times) for times in zip(*taken, strict=True))
    return processor, wall, result


def made_image(width: int, height: int) -> np.ndarray:
    """Return an RGB image with detail at every scale, as photographs have it: noise with a spectrum of 1/f."""
    rng = np.random.default_rng(0)
    image = np.zeros((height, width, 3), np.float32)
    cell = 1
    while cell < max(width, height):
        noise = rng.normal(size=(height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        cell *= 2
    return np.clip(128 + 25 * image, 0, 255).astype(np.uint8)
