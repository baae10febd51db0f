"""Matching of features by mutual nearest neighbors, with an optional ratio test, in the best pair of views."""

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.matching.nearest_neighbors import mutual_nearest, nearest_with_products
from hndesc.matching.ratios import match_ratios, query_ratios
from hndesc.matching.views import descriptors_in_view, in_matching_views


def match_and_rank(a: np.ndarray, b: np.ndarray, ratio: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Match descriptors as `match_features` does, and return the ratio of each match (`match_ratios`) as well."""
    matches, products = nearest_with_products(a, b)
    ratios = match_ratios(a, b, matches, products)
    if ratio is None:
        return matches, ratios
    kept = query_ratios(a, b, matches) <= check_ratio(ratio)
    return matches[kept], ratios[kept]


def check_ratio(ratio: float) -> float:
    """Return an upper bound of a ratio of distances; raise a HndescError if it is out of bounds."""
    if not 0 < ratio <= 1:
        raise HndescError(f"a ratio of distances of {ratio:g}; give a number above 0 and at most 1, or none")
    return ratio


def match_features(a: Features, b: Features, ratio: float | None = None) -> np.ndarray:
    """Match two images by mutual nearest neighbors, in the best pair of views if both have several.

    Args:
        a: features of the first image, the query of the ratio test.
        b: features of the second image.
        ratio: upper bound of the ratio of the distances from a keypoint of `a` to its nearest and second nearest
            neighbor in `b`; None for no bound.

    Returns:
        K x 2 int64, rows of `a` and `b`.

    Raises:
        HndescError: features without descriptors, or a ratio out of bounds.
    """
    return _match(*_sides(a, b), ratio)


def match_scored(a: Features, b: Features, ratio: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the matches of `match_features` and their scores, K float32: cosines of the descriptors."""
    first, second = _sides(a, b)
    matches = _match(first, second, ratio)
    pairs = (side[rows].astype(np.float32) for side, rows in zip((first, second), matches.T, strict=True))
    return matches, np.einsum("kd,kd->k", *pairs)


def _sides(a: Features, b: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return the descriptors of two images in the views to match, N x D and M x D."""
    first, second = in_matching_views(a, b)
    return descriptors_in_view(first, 0), descriptors_in_view(second, 0)


def _match(a: np.ndarray, b: np.ndarray, ratio: float | None) -> np.ndarray:
    if ratio is None:
        return mutual_nearest(a, b)
    check_ratio(ratio)
    matches = mutual_nearest(a, b)
    return matches[query_ratios(a, b, matches) <= ratio]
