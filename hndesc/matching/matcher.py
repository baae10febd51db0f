"""Matching of features: mutual nearest neighbors, those that are clearly the nearest, in the views that agree best."""

import numpy as np

from hndesc.io.features import Features
from hndesc.matching.nearest_neighbors import mutual_nearest
from hndesc.matching.ratios import query_ratios
from hndesc.matching.views import descriptors_in_view, in_matching_views


def match_features(a: Features, b: Features, ratio: float | None = None) -> np.ndarray:
    """Match two images by mutual nearest neighbors, in the views that agree best where both have several.

    Args:
        a: features of the first image, which asks.
        b: features of the second image.
        ratio: largest distance of a match, as a share of the distance from the keypoint of `a` to its second nearest
            in `b`; None for any.

    Returns:
        K x 2 int64, rows of `a` and `b`.
    """
    first, second = (descriptors_in_view(one, 0) for one in in_matching_views(a, b))
    matches = mutual_nearest(first, second)
    return matches if ratio is None else matches[query_ratios(first, second, matches) <= ratio]
