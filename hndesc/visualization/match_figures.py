"""Match figures: two images side by side, correct matches in green and false matches in red."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from hndesc.errors import HndescError, counted
from hndesc.geometry.homography import warp_points
from hndesc.geometry.robust import estimate_homography
from hndesc.geometry.two_view import GEOMETRY_NAMES
from hndesc.io.features import FeatureReader, Features
from hndesc.io.images import read_image, scale_points
from hndesc.matching.matcher import match_features
from hndesc.matching.pair import Matches
from hndesc.visualization.style import INLIER, OUTLIER, check_figure, figure

_HEIGHT = 480  # pixels of each image in the figure
_WIDEST = 20 * _HEIGHT  # wider images are compressed horizontally
_GAP = 12
_WIDTH = 11.0  # inches of the figure


@dataclass(frozen=True)
class Correspondences:
    """The matches of an image pair.

    Attributes:
        first, second: K x 2 pixels of the first and the second image.
        correct: K bool.
    """

    first: np.ndarray
    second: np.ndarray
    correct: np.ndarray


def plot_matches(
    images: tuple[Path, Path],
    names: tuple[str, str],
    features: Sequence[Path],
    output: Path,
    labels: Sequence[str] = (),
    homography: np.ndarray | None = None,
    threshold: float = 3.0,
    most_lines: int = 200,
    ratio: float | None = None,
) -> None:
    """Draw the matches of an image pair, one row per feature file.

    Args:
        images: files of the two images.
        names: names of the images in the feature files.
        features: feature files with descriptors.
        output: PNG or SVG file to write.
        labels: label of each feature file; by default its stem.
        homography: true homography, 3 x 3, from first to second; None to estimate one for each row by RANSAC.
        threshold: largest distance of a correct match, pixels of the second image.
        most_lines: maximum number of matches drawn per row, chosen at random; the title counts all matches.
        ratio: see `hndesc.matching.matcher.match_features`.
    """
    check_figure(output)
    rows = []
    for path, label in zip(features, labels or [Path(path).stem for path in features], strict=True):
        with FeatureReader(path) as reader:
            rows.append((label, reader.read(names[0]), reader.read(names[1])))
    pixels = (read_image(images[0]), read_image(images[1]))
    draw_matches(pixels, names, rows, output, homography, threshold, most_lines, ratio)


def plot_pair(
    images: tuple[np.ndarray, np.ndarray], names: tuple[str, str], found: Matches, output: Path, most_lines: int = 60
) -> None:
    """Draw the matches of two images with an estimate, inliers green and outliers red.

    Args:
        images: RGB, uint8.
        names: titles of the images.
        found: their matches.
        output: PNG, JPEG, SVG or PDF file to write.
        most_lines: maximum number of matches drawn, chosen at random.
    """
    shown = Correspondences(found.points0, found.points1, found.inliers)
    name = GEOMETRY_NAMES.get(found.geometry)
    title = _title(name, shown, "are inliers", most_lines) if name else counted(len(found.matches), "match")
    heading = f"{names[0]}  \N{RIGHTWARDS ARROW}  {names[1]}"
    draw_classified_matches(images, [shown], output, heading, [title], most_lines)


def draw_matches(
    images: tuple[np.ndarray, np.ndarray],
    names: tuple[str, str],
    rows: Sequence[tuple[str, Features, Features]],
    output: Path,
    homography: np.ndarray | None = None,
    threshold: float = 3.0,
    most_lines: int = 200,
    ratio: float | None = None,
) -> list[Correspondences]:
    """Draw the matches of an image pair, one row per pair of features; the other arguments are those of `plot_matches`.

    Args:
        rows: (label, features of the first image, features of the second image).

    Returns:
        All matches of each row.
    """
    if not rows:
        raise HndescError(f"{output}: no features whose matches could be drawn")
    _check_sizes(images, names, rows)
    truth, word = "the true homography", "are correct"
    if homography is None:
        truth, word = "RANSAC's homography", "are inliers"
    found = [classify_matches(a, b, homography, threshold, ratio) for _, a, b in rows]
    heading = f"{names[0]}  \N{RIGHTWARDS ARROW}  {names[1]}: green within {threshold:g} px of {truth}"
    titles = [_title(label, matches, word, most_lines) for (label, *_), matches in zip(rows, found, strict=True)]
    draw_classified_matches(images, found, output, heading, titles, most_lines)
    return found


def draw_classified_matches(
    images: tuple[np.ndarray, np.ndarray],
    found: Sequence[Correspondences],
    output: Path,
    heading: str,
    titles: Sequence[str],
    most_lines: int = 200,
) -> None:
    """Draw correct and false matches on images side by side, one row for each of `found`.

    Args:
        images: RGB, uint8.
        found: matches between the images.
        output: PNG, JPEG or SVG file to write.
        heading: title of the figure.
        titles: title of each row.
        most_lines: maximum number of matches drawn per row, chosen at random.
    """
    canvas, factors, shift = _side_by_side(*images)
    row_height = _WIDTH * canvas.shape[0] / canvas.shape[1] + 0.27
    with figure(output, _WIDTH, len(found) * row_height + 0.27) as drawing:
        drawing.suptitle(heading, parse_math=False)  # a name can contain a "$"
        panels = drawing.subplots(len(found), squeeze=False)[:, 0]
        for axes, title, matches in zip(panels, titles, found, strict=True):
            axes.imshow(canvas)
            axes.set_axis_off()
            axes.set_title(title, parse_math=False)
            ends = scale_points(matches.first, factors[0]), scale_points(matches.second, factors[1]) + shift
            shown = _pick(len(matches.first), most_lines)
            _draw_lines(axes, np.stack(ends, axis=1)[shown], matches.correct[shown])


def _check_sizes(
    images: tuple[np.ndarray, np.ndarray], names: tuple[str, str], rows: Sequence[tuple[str, Features, Features]]
) -> None:
    for label, *pair in rows:
        for image, name, features in zip(images, names, pair, strict=True):
            size = image.shape[1], image.shape[0]
            if features.image_size not in (size, (0, 0)):  # (0, 0): unknown, in imported files
                raise HndescError(
                    f"{label}: the features of '{name}' belong to an image of {features.image_size} pixels, but this "
                    f"image has {size}; extract them from this image"
                )


def classify_matches(
    a: Features, b: Features, homography: np.ndarray | None, threshold: float, ratio: float | None = None
) -> Correspondences:
    """Match two images and classify the matches by a homography, which is estimated from the matches if it is None."""
    pairs = match_features(a, b, ratio)
    first, second = a.keypoints[pairs[:, 0]], b.keypoints[pairs[:, 1]]
    if homography is None:
        return Correspondences(first, second, estimate_homography(first, second, threshold)[1])
    distance = np.linalg.norm(warp_points(homography, first) - second, axis=1)
    return Correspondences(first, second, distance <= threshold)


def _title(label: str, matches: Correspondences, word: str, most_lines: int) -> str:
    count, correct = len(matches.first), int(matches.correct.sum())
    share = f" ({100 * correct / count:.0f} %)" if count else ""
    drawn = f", {most_lines} of them drawn" if count > most_lines else ""
    return f"{label}: {correct} of {count} matches {word}{share}{drawn}"


def _pick(count: int, most: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def _draw_lines(axes: Axes, lines: np.ndarray, correct: np.ndarray) -> None:
    # False matches first, so that correct ones are drawn above them.
    for mask, color, alpha, name in ((~correct, OUTLIER, 0.45, "outliers"), (correct, INLIER, 0.7, "inliers")):
        axes.add_collection(LineCollection(lines[mask], colors=color, linewidths=0.7, alpha=alpha, gid=name))
        ends = lines[mask].reshape(-1, 2)
        axes.scatter(ends[:, 0], ends[:, 1], s=2.5, color=color, linewidths=0)


def _side_by_side(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Place two images on a white canvas; return it, the factors (sx, sy) of each and the offset of the second."""
    resized, factors = zip(*(_to_height(image) for image in (first, second)), strict=True)
    shift = resized[0].shape[1] + _GAP
    canvas = np.full((_HEIGHT, shift + resized[1].shape[1], 3), 255, np.uint8)
    canvas[:, : resized[0].shape[1]] = resized[0]
    canvas[:, shift:] = resized[1]
    return canvas, list(factors), np.array([shift, 0.0])


def _to_height(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    size = (min(max(1, round(width * _HEIGHT / height)), _WIDEST), _HEIGHT)
    way = cv2.INTER_AREA if height > _HEIGHT else cv2.INTER_CUBIC
    return cv2.resize(image, size, interpolation=way), np.array([size[0] / width, size[1] / height])
