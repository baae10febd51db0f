"""Curves of mean matching accuracy over the threshold and of training histories."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from hndesc.errors import HndescError
from hndesc.evaluation.hpatches.ranking import RECALL_LEVELS
from hndesc.visualization.origins import descriptor_key
from hndesc.visualization.results import Result
from hndesc.visualization.style import COLORS, MARKERS, check_figure, figure, line_styles

_THRESHOLDS = np.arange(1, 11)
_PANELS = (("all", "All pairs"), ("v", "Viewpoint"), ("i", "Illumination"))
_WIDTH = 10.5  # inches
_HISTORY = ("step", "loss", "validation_loss", "accuracy", "learning_rate")


def plot_mma(results: Sequence[Path], output: Path, labels: Sequence[str] = (), title: str = "") -> None:
    """Plot mean matching accuracy over the threshold for all, viewpoint and illumination pairs.

    Below are the curves of precision over recall (`hndesc.evaluation.hpatches.ranking`), if all results have them. Each
    descriptor has one line. The legend states the average numbers of keypoints per image and matches per pair. A
    descriptor at keypoints of several detectors has one color.

    Args:
        results: JSON results of the HPatches benchmark.
        output: PNG or SVG file to write.
        labels: name of the descriptor of each result; by default the stem of the file.
        title: title of the figure; by default benchmark and protocol.
    """
    check_figure(output)
    if not results:
        raise HndescError(f"{output}: no results to plot")
    labels = labels or [Path(path).stem for path in results]
    read = [_matching_result(path) for path in results]
    curves = [_mma(result) for result in read]
    names = [_legend(label, result) for label, result in zip(labels, read, strict=True)]
    styles = line_styles([descriptor_key(one.get("features")) or row for row, one in enumerate(read)])
    # A character of the legend is about 0.08 inches wide.
    columns = max(1, min(len(names), 5, int(_WIDTH / (0.08 * max(map(len, names)) + 0.7))))
    ranked = all(result.has("figures", "precision_at_recall") for result in read)
    with figure(output, _WIDTH, (6.9 if ranked else 3.7) + 0.19 * -(-len(names) // columns)) as drawing:
        drawing.suptitle(title or f"{read[0].get('benchmark')}: {read[0].get('protocol')}")
        rows = drawing.subplots(1 + ranked, 3, sharey=True, squeeze=False)
        for axes in rows[0]:
            axes.set(xlabel="threshold (px)", xticks=_THRESHOLDS, xlim=(0.7, 10.3), ylim=(0, 1))
        _draw_panels(rows[0], _THRESHOLDS, curves, names, styles)
        rows[0][0].set_ylabel("mean matching accuracy")
        if ranked:
            _draw_panels(rows[1], np.array(RECALL_LEVELS), [_precision(one) for one in read], names, styles)
            for axes in rows[1]:
                axes.set(xlabel="recall", xlim=(0, 1))
            rows[1][0].set_ylabel("precision")
        handles = rows[0][0].get_legend_handles_labels()
        drawing.legend(*handles, loc="outside lower center", ncols=columns, fontsize=9)


def _draw_panels(
    panels: Sequence[Axes],
    x: np.ndarray,
    curves: Sequence[dict[str, list[float]]],
    names: Sequence[str],
    styles: Sequence[dict],
) -> None:
    for axes, (key, name) in zip(panels, _PANELS, strict=True):
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


def _mma(result: Result) -> dict[str, list[float]]:
    return {key: [result.number("figures", "mma", str(t), key) for t in _THRESHOLDS] for key, _ in _PANELS}


def _precision(result: Result) -> dict[str, list[float]]:
    place = ("figures", "precision_at_recall")
    return {key: [result.number(*place, str(level), key) for level in RECALL_LEVELS] for key, _ in _PANELS}


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
