"""Selection of the views in which two images are matched (`hndesc.descriptors.views`)."""

from dataclasses import replace

import numpy as np

from hndesc.errors import HndescError
from hndesc.geometry.robust import estimate_homography
from hndesc.io.features import Features
from hndesc.matching.nearest_neighbors import mutual_nearest

# Indices of the views: the image itself, the rotated ones, and the downsized one.
_ROTATED = (0, 1, 2, 3)
_HALF = 4
# A rotation is compensated in either image, a zoom in the image of the higher resolution.
_PAIRS = (
    *((0, rotated) for rotated in _ROTATED),
    *((_HALF, rotated) for rotated in _ROTATED),
    *((rotated, _HALF) for rotated in _ROTATED),
)
_STRONGEST = 2048  # keypoints used for the selection


def in_matching_views(a: Features, b: Features) -> tuple[Features, Features]:
    """Select the views of two images in which a homography of their strongest keypoints has the most inliers.

    Returns:
        The features with only the descriptors of these views; unchanged unless both have several views.
    """
    if a.views is None or b.views is None:
        return a, b
    strongest = _strongest(a), _strongest(b)
    first, second = max(_PAIRS, key=lambda pair: _count_inliers(*strongest, pair))
    return view(a, first), view(b, second)


def view(features: Features, number: int) -> Features:
    """Return features with the descriptors of one of their views, 0 for the image itself."""
    return replace(features, descriptors=descriptors_in_view(features, number), views=None)


def descriptors_in_view(features: Features, number: int) -> np.ndarray:
    """Return the descriptors of one view, N x D; a HndescError if there are none."""
    views = features.descriptors if number == 0 else features.views
    if views is None:
        raise HndescError("features without descriptors cannot be matched; describe the keypoints first")
    return views if number == 0 else views[number - 1]


def _strongest(features: Features) -> Features:
    return features.take(np.argsort(-features.scores, kind="stable")[:_STRONGEST])


def _count_inliers(a: Features, b: Features, views: tuple[int, int]) -> int:
    """Return the number of inliers of a homography between two images in a pair of views."""
    matches = mutual_nearest(descriptors_in_view(a, views[0]), descriptors_in_view(b, views[1]))
    points = a.keypoints[matches[:, 0]], b.keypoints[matches[:, 1]]
    return int(estimate_homography(*points, iterations=2000, estimator="magsac")[1].sum())
