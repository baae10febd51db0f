"""Evaluation protocols: which features are evaluated, and how."""

from collections.abc import Mapping
from dataclasses import dataclass

from hndesc.datasets.homography.resizing import SIZE
from hndesc.errors import HndescError

MATCHING_THRESHOLDS = tuple(range(1, 11))
AREA_THRESHOLDS = (3, 5, 10)
# Numbers of the strongest keypoints of an image among which repeatability is measured, and its threshold in pixels.
BUDGETS = (500, 1000, 2000)
REPEATED = 3.0


@dataclass(frozen=True)
class Protocol:
    """The evaluation of image pairs.

    Attributes:
        description: one line for results.
        corner_thresholds: thresholds of homography accuracy in pixels.
        inclusive: whether a corner error equal to the threshold counts as correct.
        confidence: confidence of RANSAC.
        size: required (width, height) of every image, or None.
        max_keypoints: number of keypoints with the highest scores that are evaluated per image, None for all.
        shared_only: whether only keypoints visible in both images are matched.
        matching_score: whether the matching score is computed.
    """

    description: str
    corner_thresholds: tuple[int, ...]
    inclusive: bool
    confidence: float
    size: tuple[int, int] | None = None
    max_keypoints: int | None = None
    shared_only: bool = False
    matching_score: bool = False


PROTOCOLS: Mapping[str, Protocol] = {
    "full": Protocol(
        "full resolution, all keypoints, mutual nearest neighbors",
        corner_thresholds=(1, 3, 5, 10),
        inclusive=False,
        confidence=0.9995,
    ),
    # The protocol of SuperPoint (DeTone et al., CVPRW 2018) in the version of HNDesc.
    "480x640": Protocol(
        "480 x 640 pixels, the 1000 strongest keypoints, mutual nearest neighbors among those seen in both images",
        corner_thresholds=(1, 3, 5),
        inclusive=True,
        confidence=0.995,
        size=SIZE,
        max_keypoints=1000,
        shared_only=True,
        matching_score=True,
    ),
}


def find_protocol(name: str) -> Protocol:
    """Return the protocol of a name; an unknown name raises a HndescError."""
    if name not in PROTOCOLS:
        raise HndescError(f"unknown protocol '{name}'; choose one of: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
