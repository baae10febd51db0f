"""Matches of validation pairs and similarities of correct and false matches, before and after training."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from hndesc.io.array_files import read_arrays
from hndesc.visualization.style import COLORS, INLIER, OUTLIER, check_figure, figure

_NETWORKS = (("untrained", "before training"), ("trained", "after training"))
_LINES = 60  # matches drawn per pair
_GAP = 6  # pixels between two crops
_NEEDED = ("first", "second", "first_points", "second_points", "counts")


def plot_validation(record: Path, matches: Path, similarities: Path) -> None:
    """Draw the matches of held-out pairs and histograms of similarities, before and after training.

    Args:
        record: file written by training (`hndesc.training.validation_record.write_record`).
        matches: PNG or SVG file to write, with one row per pair; correct matches are green, false ones red.
        similarities: PNG or SVG file to write: similarities to the correct match and to the most similar false one.
    """
    for output in (matches, similarities):
        check_figure(output)
    arrays = _read(Path(record))
    _draw_matches(arrays, matches)
    _draw_similarities(arrays, similarities)


def _read(path: Path) -> dict[str, np.ndarray]:
    needed = [*_NEEDED, *(f"{name}/{key}" for name, _ in _NETWORKS for key in ("nearest", "positive", "negative"))]
    return read_arrays(path, needed, "a validation record", "train a model first")


def _draw_matches(arrays: dict[str, np.ndarray], output: Path) -> None:
    pairs = len(arrays["first"])
    with figure(output, 11.0, 2.75 * pairs + 0.5) as drawing:
        drawing.suptitle("Held-out pairs: nearest-neighbor matches, correct ones in green")
        grid = drawing.subplots(pairs, len(_NETWORKS), squeeze=False)
        for column, (name, label) in enumerate(_NETWORKS):
            for pair in range(pairs):
                right, count = _draw_pair(grid[pair, column], arrays, name, pair)
                grid[pair, column].set_title(f"{label}: {right} of {count} correct")


def _draw_pair(axes: Axes, arrays: dict[str, np.ndarray], network: str, pair: int) -> tuple[int, int]:
    """Draw a pair and some of its matches; return the numbers of correct and of all matches."""
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
    # False matches first, so that correct ones are drawn above them.
    for mask, color in ((~right & shown, OUTLIER), (right & shown, INLIER)):
        axes.add_collection(LineCollection(lines[mask], colors=color, linewidths=0.8, alpha=0.8))
    return int(right.sum()), count


def _draw_similarities(arrays: dict[str, np.ndarray], output: Path) -> None:
    edges = np.linspace(-1, 1, 81)
    with figure(output, 9.0, 3.4) as drawing:
        drawing.suptitle("Similarity of descriptors of held-out pairs")
        panels = drawing.subplots(1, len(_NETWORKS))
        for axes, (name, label) in zip(panels, _NETWORKS, strict=True):
            for style, (key, meaning) in enumerate(
                (("positive", "correct match"), ("negative", "most similar false match"))
            ):
                values = arrays[f"{name}/{key}"]
                weights = np.full(len(values), 1 / max(1, len(values)))
                axes.hist(values, edges, weights=weights, color=COLORS[style], alpha=0.6, label=meaning)
            axes.set(title=label, xlabel="dot product", xlim=_span(arrays))
        panels[0].set_ylabel("share of keypoints")
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)


def _span(arrays: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return the limits of the x axis: the smallest similarity, rounded down, and 1."""
    values = [arrays[f"{name}/{key}"] for name, _ in _NETWORKS for key in ("positive", "negative")]
    least = min((float(one.min()) for one in values if len(one)), default=0.0)
    return max(-1.0, np.floor(10 * least) / 10), 1.0
