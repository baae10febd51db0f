"""HPatches sequences: mean matching accuracy and homography accuracy from stored features."""

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hndesc.benchmarks.common import DescribedImages, workers, write_result
from hndesc.benchmarks.sequences import Sequence, read_sequences
from hndesc.features import Features
from hndesc.geometry import corner_error, warp_points
from hndesc.images import image_size
from hndesc.matching import estimate_homography, match_features

PROTOCOL = "HPatches sequences, pairs (1, k), mutual nearest neighbours, full resolution coordinates"
MATCHING_THRESHOLDS = tuple(range(1, 11))
CORNER_THRESHOLDS = (1, 3, 5, 10)
# Left out since D2-Net's evaluation (CVPR 2019): images too large for some of the methods compared there.
LARGE_SCENES = (
    "i_contruction",
    "i_crownnight",
    "i_dc",
    "i_pencils",
    "i_whitebuilding",
    "v_artisans",
    "v_astronautis",
    "v_talent",
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PairScore:
    """How well images 1 and k of a sequence were matched.

    Attributes:
        sequence: its name.
        image: k.
        matches: number of mutual nearest neighbours.
        accuracy: share of them within each of MATCHING_THRESHOLDS; zeros without matches.
        inliers: of the estimated homography.
        corner_error: pixels, infinity where no homography was found.
        failure: why the pair could not be matched at all, or None.
    """

    sequence: str
    image: int
    matches: int = 0
    accuracy: np.ndarray = field(default_factory=lambda: np.zeros(len(MATCHING_THRESHOLDS)))
    inliers: int = 0
    corner_error: float = float("inf")
    failure: str | None = None

    @property
    def correct(self) -> np.ndarray:
        """Whether the corner error is below each of CORNER_THRESHOLDS."""
        return self.corner_error < np.array(CORNER_THRESHOLDS)


def score_hpatches(
    root: str | os.PathLike,
    features: str | os.PathLike,
    output: str | os.PathLike,
    json_output: str | os.PathLike | None = None,
    *,
    estimator: str = "ransac",
    ransac_threshold: float = 3.0,
    iterations: int = 5000,
    confidence: float = 0.9995,
    large_scenes: bool = False,
    threads: int = 1,
    name: str | None = None,
) -> dict:
    """Score local features on homography sequences.

    Args:
        root: folder of the sequences.
        features: features of their images, named "<sequence>/<file>".
        output: text file in the published form.
        json_output: all figures, by sequence too; None writes none.
        estimator: see `hndesc.matching.estimate_homography`, as for `iterations` and `confidence`.
        ransac_threshold: reprojection error of an inlier, pixels.
        large_scenes: score LARGE_SCENES too.
        threads: sequences scored at a time.
        name: of the benchmark; the folder's if None.

    Returns:
        All figures, as `json_output` gets them.

    Raises:
        HndescError: incomplete sequences, features of another dataset, broken files. Images listed as failed in the
            feature file are no error: their pairs count as failures and are named.
    """
    ransac = {
        "estimator": estimator,
        "threshold": ransac_threshold,
        "iterations": iterations,
        "confidence": confidence,
    }
    sequences = read_sequences(root, () if large_scenes else LARGE_SCENES)
    names = [name for sequence in sequences for name in sequence.images]
    with DescribedImages(features, names) as reader, workers(threads) as mapper:
        feature_settings = reader.settings
        scored = mapper(lambda sequence: _score_sequence(sequence, Path(root), reader, ransac), sequences)
        scores = list(tqdm(scored, total=len(sequences), desc="sequences scored", disable=None))
    pairs = [pair for sequence in scores for pair in sequence]
    figures = summarize(pairs)
    record = {
        "benchmark": name or Path(root).resolve().name,
        "kind": "hpatches",
        "protocol": PROTOCOL,
        "figures": figures,
        "per_sequence": {sequence[0].sequence: _sequence_record(sequence) for sequence in scores},
        "sequences": {kind: sum(sequence.kind == kind for sequence in sequences) for kind in "vi"},
        "left_out": [] if large_scenes else list(LARGE_SCENES),
        "settings": ransac,
        "features": feature_settings,
        "failures": _failures(pairs),
    }
    write_result(output, json_output, format_result(figures), record)
    return record


def score_pair(first: Features, second: Features, homography: np.ndarray, size: tuple[int, int], **ransac) -> dict:
    """Match two images and compare with the truth; the values of a PairScore.

    Args:
        first: features of the reference.
        second: features of the other image.
        homography: 3 x 3, from the reference's pixels to the other's.
        size: (width, height) of the other image.
        ransac: settings of `hndesc.matching.estimate_homography`.
    """
    matches = match_features(first, second)
    p1, p2 = first.keypoints[matches[:, 0]], second.keypoints[matches[:, 1]]
    accuracy = matching_accuracy(p1, p2, homography)
    estimate, inliers = estimate_homography(p1, p2, **ransac)
    return {
        "matches": len(matches),
        "accuracy": accuracy,
        "inliers": int(inliers.sum()),
        "corner_error": corner_error(estimate, homography, size),
    }


def matching_accuracy(p1: np.ndarray, p2: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Return the share of matches (K x 2 pixels each) within each of MATCHING_THRESHOLDS; zeros without matches."""
    thresholds = np.array(MATCHING_THRESHOLDS)
    if len(p1) == 0:
        return np.zeros(len(thresholds))
    errors = np.linalg.norm(warp_points(homography, p1) - p2, axis=1)
    return (errors[:, None] <= thresholds).mean(axis=0)


def summarize(pairs: Iterable[PairScore]) -> dict[str, dict]:
    """Return the figures of a benchmark: means over the pairs of each class, NaN for a class without pairs.

    Returns:
        {"mma": {threshold: {"v", "i", "avg": half of v + i, "all": over all pairs}},
        "homography_accuracy": {threshold: {"v", "i", "all": over all pairs}}}.
    """
    pairs = list(pairs)
    groups = {kind: [pair for pair in pairs if pair.sequence.startswith(kind)] for kind in ("v", "i", "")}
    mma = {kind: _mean([p.accuracy for p in group], len(MATCHING_THRESHOLDS)) for kind, group in groups.items()}
    correct = {kind: _mean([p.correct for p in group], len(CORNER_THRESHOLDS)) for kind, group in groups.items()}
    return {
        "mma": {
            str(threshold): {"v": v, "i": i, "avg": (v + i) / 2, "all": both}
            for threshold, v, i, both in zip(MATCHING_THRESHOLDS, mma["v"], mma["i"], mma[""], strict=True)
        },
        "homography_accuracy": {
            str(threshold): {"v": v, "i": i, "all": both}
            for threshold, v, i, both in zip(CORNER_THRESHOLDS, correct["v"], correct["i"], correct[""], strict=True)
        },
    }


def format_result(figures: Mapping) -> str:
    """Return the text of a result file in the published form, whose second "avg" is over all pairs."""

    def rows(name: str, title: str, average: str) -> list[str]:
        return [
            f"{title}{threshold} v/i/avg: {values['v']:.3f} / {values['i']:.3f} / {values[average]:.3f}"
            for threshold, values in figures[name].items()
        ]

    lines = ["PCK benchmark:", *rows("mma", "MMA@", "avg")]
    lines += ["Homography benchmark:", *rows("homography_accuracy", "th: ", "all")]
    return "\n".join(lines) + "\n"


def _mean(rows: list[np.ndarray], width: int) -> list[float]:
    return np.mean(rows, axis=0).tolist() if rows else [float("nan")] * width


def _score_sequence(sequence: Sequence, root: Path, reader: DescribedImages, ransac: Mapping) -> list[PairScore]:
    features = {name: reader.read(name) for name in sequence.images if name not in reader.lost}
    reference = sequence.images[0]
    scores = []
    for image, (name, homography) in enumerate(zip(sequence.images[1:], sequence.homographies, strict=True), start=2):
        lost = next((lost for lost in (reference, name) if lost in reader.lost), None)
        if lost:
            logger.warning("%s: pair 1-%d counts as a failure: %s (%s)", sequence.name, image, lost, reader.lost[lost])
            scores.append(PairScore(sequence.name, image, failure=f"{lost}: {reader.lost[lost]}"))
            continue
        size = features[name].image_size
        if min(size) <= 0:
            size = image_size(root / name)
        pair = score_pair(features[reference], features[name], homography, size, **ransac)
        scores.append(PairScore(sequence.name, image, **pair))
    return scores


def _sequence_record(pairs: list[PairScore]) -> dict:
    return {
        "mma": np.mean([pair.accuracy for pair in pairs], axis=0).tolist(),
        "homography_accuracy": np.mean([pair.correct for pair in pairs], axis=0).tolist(),
        "matches": [pair.matches for pair in pairs],
        "inliers": [pair.inliers for pair in pairs],
        "corner_error": [pair.corner_error for pair in pairs],
    }


def _failures(pairs: list[PairScore]) -> list[dict]:
    return [{"sequence": pair.sequence, "image": pair.image, "reason": pair.failure} for pair in pairs if pair.failure]
