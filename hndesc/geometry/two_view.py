"""The geometry of two images: which model relates their matches, and its estimate."""

from dataclasses import dataclass, field

import numpy as np

from hndesc.errors import HndescError
from hndesc.geometry.epipolar import estimate_essential, estimate_fundamental
from hndesc.geometry.robust import estimate_homography

GEOMETRY_NAMES = {
    "homography": "homography",
    "fundamental": "fundamental matrix",
    "essential": "essential matrix",
}
GEOMETRIES = (*GEOMETRY_NAMES, "none")
# As in COLMAP: with this share of the inliers of a fundamental matrix, a homography explains the matches better, since
# it predicts the place of a match and not only a line. The scene is then flat, or the camera did not move.
PLANAR = 0.8


@dataclass(frozen=True)
class TwoView:
    """The relation of two images.

    Attributes:
        geometry: one of `GEOMETRIES`.
        matrix: 3 x 3, from the first image to the second; None without an estimate.
        inliers: K bool, the matches that agree; all of them for the geometry "none".
        counts: number of inliers of each geometry that was estimated.
    """

    geometry: str
    matrix: np.ndarray | None
    inliers: np.ndarray
    counts: dict[str, int] = field(default_factory=dict)


def estimate_two_view(
    p1: np.ndarray,
    p2: np.ndarray,
    geometry: str | None = None,
    *,
    threshold: float = 3.0,
    estimator: str = "magsac",
    intrinsics: tuple[np.ndarray, np.ndarray] | None = None,
) -> TwoView:
    """Estimate the geometry of two images from matches.

    Args:
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.
        geometry: one of `GEOMETRIES`; None for a fundamental matrix, or a homography if it has at least `PLANAR` times
            as many inliers.
        threshold: largest error of an inlier, pixels: of the second image for a homography, else the Sampson distance.
        estimator: see `hndesc.geometry.robust.estimate_homography`.
        intrinsics: 3 x 3 each, for an essential matrix.

    Raises:
        HndescError: an unknown geometry or estimator, or an essential matrix without intrinsics.
    """
    if geometry not in (None, *GEOMETRIES):
        raise HndescError(f"unknown geometry '{geometry}'; choose one of: {', '.join(GEOMETRIES)}")
    if geometry == "none":
        return TwoView("none", None, np.ones(len(p1), bool))
    if geometry == "essential" and intrinsics is None:
        raise HndescError("an essential matrix needs the intrinsics of both images; give them, or choose 'fundamental'")
    found: dict[str, tuple[np.ndarray | None, np.ndarray]] = {}
    if geometry in (None, "homography"):
        found["homography"] = estimate_homography(p1, p2, threshold, estimator=estimator)
    if geometry in (None, "fundamental"):
        found["fundamental"] = estimate_fundamental(p1, p2, threshold, estimator=estimator)
    if geometry == "essential" and intrinsics is not None:
        found["essential"] = estimate_essential(p1, p2, intrinsics, threshold, estimator=estimator)
    counts = {name: int(inliers.sum()) for name, (_, inliers) in found.items()}
    if geometry is None:
        planar = counts["homography"] > 0 and counts["homography"] >= PLANAR * counts["fundamental"]
        geometry = "homography" if planar else "fundamental"
    return TwoView(geometry, *found[geometry], counts)
