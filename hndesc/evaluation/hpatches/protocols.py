"""The protocols: which features of a pair count, and how its figures are taken."""

from collections.abc import Mapping
from dataclasses import dataclass

from hndesc.datasets.homography.resizing import SIZE
from hndesc.errors import HndescError

MATCHING_THRESHOLDS = tuple(range(1, 11))
AREA_THRESHOLDS = (3, 5, 10)


@dataclass(frozen=True)
class Protocol:
    """How pairs are scored.

    Attributes:
        description: one line for results.
        corner_thresholds: pixels, of homography accuracy.
        inclusive: whether a corner error equal to the threshold counts as correct.
        confidence: of RANSAC.
        size: (width, height) that every image must have, None for any.
        max_keypoints: so many with the highest scores of each image count, None for all.
        shared_only: matches are sought among keypoints that the other image shows, too.
        matching_score: whether it is a figure of the protocol.
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
    # SuperPoint's (DeTone et al., CVPRW 2018), as HNDesc's evaluation has it.
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
    """Return the protocol of a name; an unknown one is a HndescError."""
    if name not in PROTOCOLS:
        raise HndescError(f"unknown protocol '{name}'; choose one of: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
