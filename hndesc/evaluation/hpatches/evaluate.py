"""Evaluation of stored features on homography sequences."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hndesc.datasets.homography import sequences as sets
from hndesc.datasets.homography.layouts import TABLE
from hndesc.datasets.homography.types import Pair
from hndesc.errors import HndescError
from hndesc.evaluation.hpatches.aggregation import describe_sequences, failures, summarize
from hndesc.evaluation.hpatches.pairs import PairScore, failed_pair, keep_strongest, score_pair
from hndesc.evaluation.hpatches.protocols import Protocol, find_protocol
from hndesc.evaluation.hpatches.text import format_result, sequence_table, summary_table
from hndesc.evaluation.result import describe, write_result
from hndesc.geometry.robust import ESTIMATORS, check_settings
from hndesc.io.described_images import DescribedImages, named_pair
from hndesc.io.features import Features
from hndesc.io.files import check_output_files, write_text
from hndesc.io.images import image_orientation, image_size
from hndesc.runtime.processes import workers

logger = logging.getLogger(__name__)


def score_hpatches(
    root: str | os.PathLike,
    features: str | os.PathLike,
    output: str | os.PathLike,
    json_output: str | os.PathLike | None = None,
    table: str | os.PathLike | None = None,
    sequence_output: str | os.PathLike | None = None,
    *,
    protocol: str = "full",
    estimator: str | Sequence[str] = "ransac",
    ransac_threshold: float = 3.0,
    iterations: int = 5000,
    confidence: float | None = None,
    ratio: float | None = None,
    orders: int = 0,
    large_scenes: bool = False,
    layout: str | None = None,
    threads: int = 1,
    name: str | None = None,
) -> dict:
    """Evaluate local features on homography sequences.

    Args:
        root: folder of the sequences.
        features: features of the images, named by their paths relative to `root`.
        output: text file to write, in the published format.
        json_output: JSON file to write, with all scores by sequence and pair, or None.
        table: CSV file to write, with all scores, or None.
        sequence_output: CSV file to write, with the scores of each sequence, or None.
        protocol: a name in `hndesc.evaluation.hpatches.protocols.PROTOCOLS`. "480x640" requires sequences resized by
            `hndesc.datasets.homography.resizing`, and their features.
        estimator: one or several of `hndesc.geometry.robust.ESTIMATORS`, which are evaluated separately.
        ransac_threshold: largest reprojection error of an inlier in pixels.
        iterations: see `hndesc.geometry.robust.estimate_homography`.
        confidence: see `hndesc.geometry.robust.estimate_homography`; None for that of the protocol.
        ratio: see `hndesc.matching.matcher.match_features`; None as published.
        orders: number of random orders of the matches, at least 2, over which the area under homography accuracy of the
            first estimator has a mean and a standard deviation, too; 0: none.
        large_scenes: whether to evaluate `hndesc.datasets.homography.sequences.LARGE_SCENES`, too.
        layout: see `hndesc.datasets.homography.sequences.read_sequences`.
        threads: number of processes that evaluate sequences (`hndesc.runtime.processes`).
        name: name of the benchmark; by default that of the folder.

    Returns:
        The content of `json_output`.

    Raises:
        HndescError: sequences are incomplete, features belong to another dataset or are not finite, or a file is
            broken. Images recorded as failed in the feature file are no error: their pairs count as failures and are
            listed.
    """
    rules = find_protocol(protocol)
    estimators = _estimators(estimator)
    ransac: dict[str, Any] = {
        "threshold": ransac_threshold,
        "iterations": iterations,
        "confidence": rules.confidence if confidence is None else confidence,
    }
    check_settings(**ransac)
    if orders == 1 or orders < 0:
        raise HndescError(f"orders is {orders}; a deviation needs at least 2, and 0 means none")
    sequences, left_out = _sequences(root, layout, large_scenes)
    names = [image for sequence in sequences for image in sequence.images]
    inputs = [features, Path(root, TABLE), *Path(root).glob("*/H*"), *(Path(root, image) for image in names)]
    check_output_files([output, json_output, table, sequence_output], inputs)
    with (
        DescribedImages(features, names) as reader,
        workers(
            _Evaluator(Path(root), reader, rules, estimators, orders, {"ratio": ratio, **ransac}).score, threads
        ) as score,
    ):
        scores = list(tqdm(score(sequences), total=len(sequences), desc="sequences evaluated", disable=None))
        feature_settings = reader.settings
    pairs = [pair for sequence in scores for pair in sequence]
    for pair in pairs:
        if pair.failure:
            logger.warning("pair %s, %s counts as a failure: %s", pair.first, pair.second, pair.failure)
    description = rules.description if ratio is None else f"{rules.description}, ratio at most {ratio:g}"
    record = {
        **describe(root, name, "hpatches", description),
        "figures": summarize(pairs, rules),
        "per_sequence": describe_sequences(pairs, rules),
        "sequences": {kind: sum(sequence.kind == kind for sequence in sequences) for kind in ("v", "i", "")},
        "left_out": left_out,
        "settings": {
            "protocol": protocol,
            "estimator": estimators[0],
            "estimators": list(estimators),
            "ratio": ratio,
            "orders": orders,
            **ransac,
        },
        "features": feature_settings,
        "failures": failures(pairs),
    }
    for path, form in ((table, summary_table), (sequence_output, sequence_table)):
        if path is not None:
            write_text(path, form(record))
    write_result(output, json_output, format_result(record["figures"]), record)
    return record


def _estimators(names: str | Sequence[str]) -> tuple[str, ...]:
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in ESTIMATORS:
            raise HndescError(f"unknown homography estimator '{name}'; choose one of: {', '.join(sorted(ESTIMATORS))}")
    if not names or len(set(names)) < len(names):
        raise HndescError("homography estimators: give at least one, and each once")
    return names


def _sequences(
    root: str | os.PathLike, layout: str | None, large_scenes: bool
) -> tuple[list[sets.Sequence], list[str]]:
    """Return the sequences to evaluate, and the names of the excluded ones."""
    chosen = sets.read_sequences(root, () if large_scenes else sets.LARGE_SCENES, layout)
    left_out = sorted(set(sets.sequence_names(root, layout)) - {sequence.name for sequence in chosen})
    if left_out:
        logger.info("%s: excluded as very large: %s", root, ", ".join(left_out))
    return chosen, left_out


class _Evaluator:
    """Evaluates sequences; the features of each image are read once per sequence."""

    def __init__(
        self,
        root: Path,
        reader: DescribedImages,
        protocol: Protocol,
        estimators: Sequence[str],
        orders: int,
        settings: Mapping[str, Any],
    ) -> None:
        self._root = root
        self._reader = reader
        self._protocol = protocol
        self._estimators = estimators
        self._orders = orders
        self._settings = settings

    def score(self, sequence: sets.Sequence) -> list[PairScore]:
        known = {name: self._read(name) for name in sequence.images if name not in self._reader.lost}
        return [self._score(sequence, pair, known) for pair in sequence.pairs]

    def _score(self, sequence: sets.Sequence, pair: Pair, known: Mapping[str, Features]) -> PairScore:
        lost = self._reader.lost
        if cause := next((name for name in (pair.first, pair.second) if name in lost), None):
            reason = f"{cause}: {lost[cause]}"
            return failed_pair(
                sequence.name, sequence.kind, pair, self._estimators, self._protocol, reason, self._orders
            )
        one, other = known[pair.first], known[pair.second]
        with named_pair(pair.first, pair.second):
            values = score_pair(
                one, other, pair.homography, self._protocol, self._estimators, orders=self._orders, **self._settings
            )
        return PairScore(sequence.name, sequence.kind, pair.first, pair.second, **values)

    def _read(self, name: str) -> Features:
        """Read the features of an image and check that they fit it."""
        features, size = self._reader.read(name), image_size(self._root / name)
        place = f"{self._reader.path}: features of '{name}'"
        if self._protocol.size not in (None, size):
            raise HndescError(
                f"{self._root / name}: {size[0]} x {size[1]} pixels, but the protocol requires {self._protocol.size}; "
                "resize the sequences with: hndesc resize-sequences"
            )
        if features.image_size not in (size, (0, 0)):  # (0, 0): unknown, in imported files
            raise HndescError(
                f"{place} belong to an image of {features.image_size} pixels, but it has {size}; "
                "extract the features of this dataset at its original size"
            )
        if features.orientation != (orientation := image_orientation(self._root / name)):
            raise HndescError(
                f"{place} belong to the image rotated by EXIF orientation {features.orientation}, but it is read with "
                f"{orientation} (1: as it is stored); extract the features of this dataset again"
            )
        points = features.keypoints
        if len(points) and not ((points >= -1) & (points <= np.array(size))).all():
            raise HndescError(f"{place} lie outside its {size[0]} x {size[1]} pixels; use the features of this dataset")
        # Converted for matching once per image instead of once per pair.
        descriptors = np.ascontiguousarray(features.descriptors, np.float32)
        views = None if features.views is None else np.asarray(features.views, np.float32)
        return keep_strongest(Features(points, size, features.scores, descriptors, views=views), self._protocol)
