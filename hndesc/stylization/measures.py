"""The step that measures how well stylization preserves edges and keypoints."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from hndesc.detectors import Detector, load_detector
from hndesc.errors import HndescError
from hndesc.io.files import write_json
from hndesc.io.images import read_image, resize_longest
from hndesc.runtime.provenance import versions
from hndesc.stylization.structure import edge_similarity, repeatability
from hndesc.stylization.tables import Copy, read_tables

logger = logging.getLogger(__name__)

_SMALLEST = 16  # pixels; smaller copies are not measured
_RADIUS = 2.0


def measure_stylization(
    photos: Path,
    stylized: Path,
    output: Path,
    detector: str = "sift",
    weights: Path | None = None,
    count: int = 100,
    longest: int = 640,
    keypoints: int = 500,
    **detector_settings: object,
) -> None:
    """Measure by method and class how well stylized copies preserve the structure of their photos.

    The JSON file contains, for each method and each of its classes, the number of copies, the mean structural
    similarity of the edge maps, and the mean share of the strongest keypoints of a photo that are repeated in the copy
    within 2 pixels.

    Args:
        photos: folder of photos.
        stylized: folder of their copies, made by `hndesc.stylization.stylize.stylize_photos`.
        output: JSON file to write.
        detector: keypoint detector (`hndesc.detectors`).
        weights: weights file of the detector, if it needs one.
        count: maximum number of copies to measure, evenly spaced over the table.
        longest: longest side of the downsized photos and copies in pixels.
        keypoints: number of strongest keypoints to compare.
        **detector_settings: settings of the detector.

    Raises:
        HndescError: no copy is large enough.
    """
    rows, _ = read_tables(Path(stylized))
    chosen = [rows[place] for place in sorted(set(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)))]
    found = load_detector(detector, weights, max_keypoints=keypoints, **detector_settings)
    measured = []
    for row in tqdm(chosen, desc="measured", unit="copy", disable=None):
        values = measure(Path(photos) / row.photo, Path(stylized) / row.copy, found, longest)
        if values is not None:
            measured.append((row, values))
    if not measured:
        raise HndescError(f"{stylized}: no copy is at least {_SMALLEST} pixels wide and high; stylize larger photos")
    settings = {"longest": longest, "keypoints": keypoints, "radius": _RADIUS, "detector": found.settings}
    result: dict[str, Any] = {
        "kind": "stylization",
        "methods": _methods(measured),
        "settings": settings,
        "versions": versions(),
    }
    write_json(output, result)
    for method, figures in result["methods"].items():
        logger.info("%s: edges %.3f, keypoints %.3f", method, figures["edge_similarity"], figures["repeatability"])


def measure(photo: Path, copy: Path, detector: Detector, longest: int) -> tuple[float, float] | None:
    """Return edge similarity and repeatability of a copy, or None if it is too small."""
    second, _ = resize_longest(read_image(copy), longest)
    height, width = second.shape[:2]
    if min(height, width) < _SMALLEST:
        return None
    first = read_image(photo)
    if first.shape != second.shape:
        first = cv2.resize(first, (width, height), interpolation=cv2.INTER_AREA)
    points, others = (detector.detect(image).keypoints for image in (first, second))
    return edge_similarity(first, second), repeatability(points, others, _RADIUS)


def _methods(measured: Sequence[tuple[Copy, tuple[float, float]]]) -> dict[str, dict]:
    methods = {}
    for name in sorted({row.method for row, _ in measured}):
        of_method = [(row.group, values) for row, values in measured if row.method == name]
        groups = sorted({group for group, _ in of_method})
        classes = {group: _mean([values for one, values in of_method if one == group]) for group in groups}
        methods[name] = _mean([values for _, values in of_method]) | {"classes": classes}
    return methods


def _mean(values: Sequence[tuple[float, float]]) -> dict[str, float | int]:
    edges, keypoints = np.mean(values, axis=0).tolist()
    return {"copies": len(values), "edge_similarity": round(edges, 4), "repeatability": round(keypoints, 4)}
