"""Photos that look like a photo: nearest global descriptors, re-ranked by the inliers of local matches if wanted."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from tqdm import tqdm

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError
from hndesc.extraction.extractor import Extractor
from hndesc.io.features import Features
from hndesc.retrieval.global_features import RESIZE_MAX, describe_in_memory
from hndesc.retrieval.ranking import rank
from hndesc.retrieval.reranking import MIN_INLIERS, RATIO, count_inliers, rerank

logger = logging.getLogger(__name__)

_CACHED = 200  # photos whose features are kept in memory


@dataclass(frozen=True)
class Neighbor:
    """A photo that looks like another one.

    Attributes:
        name: of the photo.
        similarity: cosine of the global descriptors.
        inliers: number of local matches that a homography explains; None without re-ranking.
    """

    name: str
    similarity: float
    inliers: int | None = None


def find_similar(
    photos: Sequence[ImageEntry],
    queries: Sequence[ImageEntry] | None = None,
    *,
    count: int = 5,
    descriptor: str = "efficientnet_lite0",
    resize_max: int | None = RESIZE_MAX,
    extractor: Extractor | None = None,
    candidates: int = 20,
) -> dict[str, list[Neighbor]]:
    """Find the photos most similar to each query.

    Args:
        photos: photos to search.
        queries: photos to search for; None for each of `photos`. No photo is its own neighbor.
        count: number of neighbors of each query.
        descriptor: name of a global descriptor.
        resize_max: longest side of photos for the global descriptor in pixels.
        extractor: what extracts local features for re-ranking; None for none.
        candidates: number of nearest photos that are re-ranked.

    Returns:
        The neighbors of each readable query by its name, the most similar first.

    Raises:
        HndescError: no photo or no query is readable, or a single photo is compared with itself.
    """
    asked = photos if queries is None else queries
    if queries is None and len(photos) == 1:
        raise HndescError(f"{photos[0].path}: the only photo, so none is similar to it; add photos")
    database = {f"db/{number}": photo for number, photo in enumerate(photos)}
    searched = {} if queries is None else {f"query/{number}": photo for number, photo in enumerate(queries)}
    everything = {**database, **searched}
    rows, failed = describe_in_memory(everything, descriptor, resize_max)
    vectors = dict(zip(everything, rows, strict=True))
    keys = [key for key in database if key not in failed]
    known = np.stack([vectors[key] for key in keys]) if keys else np.empty((0, 1), np.float32)
    query_keys = [key for key in (searched or database) if key not in failed]
    if not keys or not query_keys:
        raise HndescError(f"{asked[0].path}: no photo to search, or none to search for, is readable; see the warnings")
    places = {key: os.path.realpath(photo.path) for key, photo in everything.items()}
    wanted = max(count, candidates if extractor else 0) + 1
    found: dict[str, list[Neighbor]] = {}
    for key, (order, similarity) in zip(
        query_keys, rank(np.stack([vectors[key] for key in query_keys]), known, wanted), strict=True
    ):
        others = ((keys[row], float(value)) for row, value in zip(order, similarity, strict=True))
        found[key] = [Neighbor(other, value) for other, value in others if places[other] != places[key]]
    if extractor is not None:
        found = _rerank(found, everything, extractor, candidates)
    return {
        everything[key].name: [replace(one, name=database[one.name].name) for one in neighbors[:count]]
        for key, neighbors in found.items()
    }


def _rerank(
    found: Mapping[str, list[Neighbor]], entries: Mapping[str, ImageEntry], extractor: Extractor, candidates: int
) -> dict[str, list[Neighbor]]:
    """Sort the first candidates of each query by their inliers; few inliers count as none."""

    @lru_cache(_CACHED)
    def features(key: str) -> Features:
        return extractor(entries[key].read())

    result = {}
    for key, neighbors in tqdm(found.items(), desc="re-ranked", unit="photo", disable=None):
        head = neighbors[:candidates]
        counts = [
            count_inliers(features(key), features(one.name), RATIO, threshold=5.0, estimator="magsac") for one in head
        ]
        order = rerank(np.arange(len(head)), np.where(np.array(counts) < MIN_INLIERS, 0, counts))
        result[key] = [replace(head[row], inliers=counts[row]) for row in order] + neighbors[candidates:]
    return result
