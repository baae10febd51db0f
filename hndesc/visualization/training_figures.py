"""What training taught: matches of validation pairs, and similarities of right and wrong ones, before and after."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from hndesc.io.array_files import read_arrays
from hndesc.visualization.style import COLORS, INLIER, OUTLIER, check_picture, figure

_NETWORKS = (("untrained", "before training"), ("trained", "after training"))
_LINES = 60  # drawn a pair
_GAP = 6  # pixels between two crops
_NEEDED = ("first", "second", "first_points", "second_points", "counts")


def plot_validation(record: Path, matches: Path, similarities: Path) -> None:
    """Draw the matches of held-out pairs, and histograms of similarities, before and after training.

    Args:
        record: what training wrote (`hndesc.training.validation_record.write_record`).
        matches: PNG or SVG: a row a pair; green where the nearest descriptor is the keypoint's own, else red.
        similarities: PNG or SVG: each keypoint's similarity to its own match and to the most similar other keypoint.
    """
    for picture in (matches, similarities):
        check_picture(picture)
    arrays = _read(Path(record))
    _draw_matches(arrays, matches)
    _draw_similarities(arrays, similarities)


def _read(path: Path) -> dict[str, np.ndarray]:
    needed = [*_NEEDED, *(f"{name}/{key}" for name, _ in _NETWORKS for key in ("nearest", "positive", "negative"))]
    return read_arrays(path, needed, "the record of a training's validation", "train a model first")


def _draw_matches(arrays: dict[str, np.ndarray], output: Path) -> None:
    pairs = len(arrays["first"])
    with figure(output, 11.0, 2.75 * pairs + 0.5) as drawing:
        drawing.suptitle("Held-out pairs: keypoints joined to their nearest descriptor, green where it is their own")
        grid = drawing.subplots(pairs, len(_NETWORKS), squeeze=False)
        for column, (name, label) in enumerate(_NETWORKS):
            for pair in range(pairs):
                right, count = _draw_pair(grid[pair, column], arrays, name, pair)
                grid[pair, column].set_title(f"{label}: {right} of {count} right")


def _draw_pair(axes: Axes, arrays: dict[str, np.ndarray], network: str, pair: int) -> tuple[int, int]:
    """Draw a pair and a part of its matches; return how many of all are right, and all."""
    first, second = arrays["first"][pair], arrays["second"][pair]
    count = int(arrays["counts"][pair])
    gap = np.full((len(first), _GAP, 3), 255, np.uint8)
    axes.imshow(np.concatenate([first, gap, second], axis=1))
    axes.set_axis_off()
    nearest = arrays[f"{network}/nearest"][pair, :count]
    right = nearest == np.arange(count)
    shift = np.array([first.shape[1] + _GAP, 0])
    lines = np.stack([arrays["first_points"][pair, :count], arrays["second_points"][pair, nearest] + shift], axis=1)
    shown = np.arange(count) % max(1, -(-count // _LINES)) == 0
    # The wrong ones first: the right ones lie above them.
    for mask, color in ((~right & shown, OUTLIER), (right & shown, INLIER)):
        axes.add_collection(LineCollection(lines[mask], colors=color, linewidths=0.8, alpha=0.8))
    return int(right.sum()), count


def _draw_similarities(arrays: dict[str, np.ndarray], output: Path) -> None:
    edges = np.linspace(-1, 1, 81)
    with figure(output, 9.0, 3.4) as drawing:
        drawing.suptitle("Similarity of descriptors of held-out pairs")
        panels = drawing.subplots(1, len(_NETWORKS))
        for axes, (name, label) in zip(panels, _NETWORKS, strict=True):
            for look, (key, meaning) in enumerate(
                (("positive", "the right one"), ("negative", "the nearest wrong one"))
            ):
                values = arrays[f"{name}/{key}"]
                weights = np.full(len(values), 1 / max(1, len(values)))
                axes.hist(values, edges, weights=weights, color=COLORS[look], alpha=0.6, label=meaning)
            axes.set(title=label, xlabel="dot product", xlim=_span(arrays))
        panels[0].set_ylabel("share of keypoints")
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)


def _span(arrays: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return the least similarity, rounded down, and 1: nothing is cut off and little is empty."""
    values = [arrays[f"{name}/{key}"] for name, _ in _NETWORKS for key in ("positive", "negative")]
    least = min((float(one.min()) for one in values if len(one)), default=0.0)
    return max(-1.0, np.floor(10 * least) / 10), 1.0
