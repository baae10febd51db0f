"""Matching of descriptors by mutual nearest neighbors, and homographies estimated from the matches."""

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.matching.nearest_neighbors import mutual_nearest


def match_features(a: Features, b: Features) -> np.ndarray:
    """Match two images by mutual nearest neighbors; K x 2 int64, rows of `a` and `b`."""
    if a.descriptors is None or b.descriptors is None:
        raise HndescError("features without descriptors cannot be matched; describe the keypoints first")
    return mutual_nearest(a.descriptors, b.descriptors)
