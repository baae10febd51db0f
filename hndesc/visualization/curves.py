"""Curves of mean matching accuracy over the threshold and of training histories."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from hndesc.errors import HndescError
from hndesc.evaluation.hpatches.ranking import RECALL_LEVELS
from hndesc.visualization.comparison import ESTIMATORS
from hndesc.visualization.origins import descriptor_styles
from hndesc.visualization.results import Result
from hndesc.visualization.style import COLORS, MARKERS, check_figure, figure

_THRESHOLDS = range(1, 11)
_PANELS = (("all", "All pairs"), ("v", "Viewpoint"), ("i", "Illumination"))
_WIDTH = 10.5  # inches
_HISTORY = ("step", "loss", "validation_loss", "accuracy", "learning_rate")


class _Row(NamedTuple):
    """A row of panels: the curves of each descriptor for all, viewpoint and illumination pairs."""

    x: Sequence[float]
    curves: Sequence[dict[str, list[float]]]
    xlabel: str
    ylabel: str
    xlim: tuple[float, float]
    ticks: bool = False


def plot_mma(
    results: Sequence[Path], output: Path, labels: Sequence[str] = (), title: str = "", order: Sequence[str] = ()
) -> None:
    """Plot mean matching accuracy over the threshold for all, viewpoint and illumination pairs.

    Below are the curves of precision over recall (`hndesc.evaluation.hpatches.ranking`) and the AUC of the homography
    error over the threshold, by the last estimator, each if all results have them. Each descriptor has one line. The
    legend states the average numbers of keypoints per image and matches per pair. A descriptor at keypoints of several
    detectors has one color.

    Args:
        results: JSON results of the HPatches benchmark.
        output: PNG or SVG file to write.
        labels: name of the descriptor of each result; by default the stem of the file.
        title: title of the figure; by default benchmark and protocol.
        order: names of all descriptors of the run, so that each has the same color in all figures.
    """
    check_figure(output)
    if not results:
        raise HndescError(f"{output}: no results to plot")
    labels = labels or [Path(path).stem for path in results]
    read = [_matching_result(path) for path in results]
    names = [_legend(label, result) for label, result in zip(labels, read, strict=True)]
    styles = descriptor_styles(labels, [one.get("features") for one in read], order)
    # A character of the legend is about 0.08 inches wide.
    columns = max(1, min(len(names), 5, int(_WIDTH / (0.08 * max(map(len, names)) + 0.7))))
    rows = [_mma(read), *(row for row in (_precision(read), _area(read)) if row)]
    with figure(output, _WIDTH, 0.5 + 3.2 * len(rows) + 0.19 * -(-len(names) // columns)) as drawing:
        drawing.suptitle(title or f"{read[0].get('benchmark')}: {read[0].get('protocol')}")
        grid = drawing.subplots(len(rows), 3, sharey=True, squeeze=False)
        for panels, row in zip(grid, rows, strict=True):
            _draw_panels(panels, row, names, styles)
        handles = grid[0][0].get_legend_handles_labels()
        drawing.legend(*handles, loc="outside lower center", ncols=columns, fontsize=9)


def _draw_panels(panels: Sequence[Axes], row: _Row, names: Sequence[str], styles: Sequence[dict]) -> None:
    x, curves = row.x, row.curves
    panels[0].set_ylabel(row.ylabel)
    for axes, (key, name) in zip(panels, _PANELS, strict=True):
        axes.set(xlabel=row.xlabel, xlim=row.xlim, ylim=(0, 1))
        if row.ticks:
            axes.set_xticks(x)
        for label, curve, style in zip(names, curves, styles, strict=True):
            axes.plot(x, curve[key], label=label, **style)
        if all(np.isnan(curve[key]).all() for curve in curves):
            axes.text(0.5, 0.5, "no such pairs", transform=axes.transAxes, ha="center")
        axes.set_title(name)


def _matching_result(path: Path) -> Result:
    result = Result(path)
    if result.kind != "hpatches":
        raise HndescError(
            f"{path}: a {result.kind} result has no matching accuracy to plot; give results of the kind hpatches"
        )
    return result


def _mma(results: Sequence[Result]) -> _Row:
    curves = [_curves(result, ("figures", "mma"), _THRESHOLDS) for result in results]
    return _Row(_THRESHOLDS, curves, "threshold (px)", "mean matching accuracy", (0.7, 10.3), ticks=True)


def _precision(results: Sequence[Result]) -> _Row | None:
    place = ("figures", "precision_at_recall")
    if not all(result.has(*place) for result in results):
        return None
    curves = [_curves(result, place, RECALL_LEVELS) for result in results]
    return _Row(RECALL_LEVELS, curves, "recall", "precision", (0, 1))


def _area(results: Sequence[Result]) -> _Row | None:
    """Return the AUC of the homography error by the last estimator that all results have."""
    shared = [
        name
        for name in results[0].get("figures", "estimators")
        if all(result.has("figures", "estimators", name, "homography_auc") for result in results)
    ]
    if not shared:
        return None
    place = ("figures", "estimators", shared[-1], "homography_auc")
    thresholds = sorted(map(int, results[0].get(*place)))
    curves = [_curves(result, place, thresholds) for result in results]
    label = f"homography AUC ({ESTIMATORS.get(shared[-1], shared[-1])})"
    return _Row(thresholds, curves, "threshold (px)", label, (0.7, 10.3), ticks=True)


def _curves(result: Result, place: tuple[str, ...], x: Sequence[float]) -> dict[str, list[float]]:
    return {key: [result.number(*place, str(one), key) for one in x] for key, _ in _PANELS}


def _legend(label: str, result: Result) -> str:
    features, matches = (result.number("figures", key, "all") for key in ("features", "matches"))
    return f"{label} ({features:,.0f} keypoints, {matches:,.0f} matches)"


def plot_training(history: Path, output: Path) -> None:
    """Plot loss, validation accuracy and learning rate of a training over the steps.

    Args:
        history: CSV file written by training.
        output: PNG or SVG file to write.
    """
    check_figure(output)
    table = read_history(Path(history))
    with figure(output, 10.5, 3.4) as drawing:
        loss, accuracy, rate = drawing.subplots(1, 3)
        _draw(loss, table, "loss", 0, "training")
        _draw(loss, table, "validation_loss", 1, "validation")
        loss.set(title="Loss", ylabel="loss")
        loss.legend()
        _draw(accuracy, table, "accuracy", 1, "validation")
        accuracy.set(title="Validation accuracy", ylabel="keypoints matched correctly", ylim=(0, 1))
        accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
        _draw(rate, table, "learning_rate", 2, "")
        rate.set(title="Learning rate", ylabel="learning rate")
        rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        rate.set_ylim(bottom=0)
        last = max(1, table["step"].max())
        for axes in (loss, accuracy, rate):
            axes.set(xlabel="step", xlim=(-0.02 * last, 1.02 * last))


def _draw(axes: Axes, table: pd.DataFrame, column: str, style: int, label: str) -> None:
    rows = table[["step", column]].dropna()
    marker = MARKERS[style] if len(rows) <= 40 else ""
    axes.plot(rows["step"], rows[column], color=COLORS[style], marker=marker, label=label)


def read_history(path: Path) -> pd.DataFrame:
    """Read the history of a training from its CSV file."""
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise HndescError(f"{path}: no such file; train a model first") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise HndescError(f"{path}: not a training history ({error})") from None
    if missing := [name for name in _HISTORY if name not in table]:
        raise HndescError(f"{path}: no column '{missing[0]}'; it is not a training history")
    if table.empty:
        raise HndescError(f"{path}: it contains no step; train for at least one step")
    return table
