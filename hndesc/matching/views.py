"""Which views of two images are matched, of those that keypoints are described in (`hndesc.descriptors.views`)."""

from dataclasses import replace

import numpy as np

from hndesc.errors import HndescError
from hndesc.geometry.robust import estimate_homography
from hndesc.io.features import Features
from hndesc.matching.nearest_neighbors import mutual_nearest

# Views by number: the image itself, the turned ones, and the one of half its size.
_TURNED = (0, 1, 2, 3)
_HALF = 4
# A turn is undone in either image, a zoom in the one that shows more of the detail.
_PAIRS = (
    *((0, turned) for turned in _TURNED),
    *((_HALF, turned) for turned in _TURNED),
    *((turned, _HALF) for turned in _TURNED),
)
_STRONGEST = 2048  # keypoints that choose


def in_matching_views(a: Features, b: Features) -> tuple[Features, Features]:
    """Choose the views of two images in which most matches of their strongest keypoints agree with a homography.

    Returns:
        The features with the descriptors of these views, and no others; as they are where not both have several.
    """
    if a.views is None or b.views is None:
        return a, b
    few = _strongest(a), _strongest(b)
    first, second = max(_PAIRS, key=lambda pair: _agreement(*few, pair))
    return view(a, first), view(b, second)


def view(features: Features, number: int) -> Features:
    """Return features as they are described in one of their views, 0 for the image itself."""
    return replace(features, descriptors=descriptors_in_view(features, number), views=None)


def descriptors_in_view(features: Features, number: int) -> np.ndarray:
    """Return the descriptors of one view, N x D; a HndescError where there are none."""
    views = features.descriptors if number == 0 else features.views
    if views is None:
        raise HndescError("features without descriptors cannot be matched; describe the keypoints first")
    return views if number == 0 else views[number - 1]


def _strongest(features: Features) -> Features:
    return features.take(np.argsort(-features.scores, kind="stable")[:_STRONGEST])


def _agreement(a: Features, b: Features, views: tuple[int, int]) -> int:
    """Return the number of matches of two images in some of their views that agree with a homography."""
    matches = mutual_nearest(descriptors_in_view(a, views[0]), descriptors_in_view(b, views[1]))
    points = a.keypoints[matches[:, 0]], b.keypoints[matches[:, 1]]
    return int(estimate_homography(*points, estimator="poselib")[1].sum())
