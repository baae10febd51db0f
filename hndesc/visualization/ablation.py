"""Comparison of training variants (ablation) as a table and a plot, with mean and deviation over seeds."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.files import write_text
from hndesc.io.lists import aligned
from hndesc.visualization.comparison import Figure, main_figures
from hndesc.visualization.curves import read_history
from hndesc.visualization.results import Result
from hndesc.visualization.style import COLORS, MARKERS, check_figure, figure

_SHOWN = (
    ("MMA@1", ("mma", "1", "avg")),
    ("MMA@3 v", ("mma", "3", "v")),
    ("MMA@3 i", ("mma", "3", "i")),
    ("MMA@3", ("mma", "3", "avg")),
    ("MMA@5", ("mma", "5", "avg")),
    ("H@3", ("homography_accuracy", "3", "all")),
)
_LEGEND = (
    "MMA@t: share of matches within t pixels, viewpoint (v), illumination (i) or the mean of both; H@3: share of pairs "
    "whose homography is within 3 pixels."
)
_PLOTTED = (("viewpoint", "v"), ("illumination", "i"), ("mean", "avg"))


@dataclass(frozen=True)
class Spread:
    """A score over several seeds.

    Attributes:
        values: one value per seed.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Sample standard deviation; NaN for a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else float("nan")

    def show(self, digits: int = 3) -> str:
        """Return the mean, with the deviation if there are several seeds."""
        if np.isnan(self.mean):
            return "\N{EN DASH}"
        more = f" \N{PLUS-MINUS SIGN} {self.deviation:.{digits}f}" if len(self.values) > 1 else ""
        return f"{self.mean:.{digits}f}{more}"


Rows = dict[str, list[Result]]  # name -> results, one per seed


def write_ablation(
    results: Sequence[Path],
    benchmarks: Sequence[str],
    names: Sequence[str],
    histories: Sequence[tuple[str, Path]],
    differences: Mapping[str, str],
    text: Path,
    table: Path,
    plot: Path,
    note: str = "",
) -> None:
    """Compare the variants of a training.

    Args:
        results: JSON results of benchmarks of the kind hpatches.
        benchmarks: name of each result's benchmark, as long as `results`.
        names: variant of each result, as long as `results`; a variant that occurs several times was trained with as
            many seeds.
        histories: (variant, CSV file with its training history), one per training.
        differences: variant -> description of its changes.
        text: text file to write, with the main scores in one block per benchmark.
        table: CSV file to write, with all scores.
        figure: PNG or SVG file to write.
        note: sentence above the table.

    Raises:
        HndescError: there is no result, a result is of another kind, or the variants of a benchmark have unequal
            numbers of results.
    """
    check_figure(plot)
    grouped = _group(results, benchmarks, names)
    minutes = _minutes(histories)
    write_text(text, _text(grouped, minutes, differences, note))
    write_text(table, _csv(grouped, minutes, differences))
    _draw(grouped, plot)


def _group(results: Sequence[Path], benchmarks: Sequence[str], names: Sequence[str]) -> dict[str, Rows]:
    if not results:
        raise HndescError("no results to compare; an ablation needs a benchmark of the kind hpatches")
    grouped: dict[str, Rows] = {}
    for path, benchmark, name in zip(results, benchmarks, names, strict=True):
        result = Result(path)
        if result.kind != "hpatches":
            raise HndescError(f"{path}: an ablation needs results of the kind hpatches, not {result.kind}")
        grouped.setdefault(benchmark, {}).setdefault(name, []).append(result)
    return grouped


def _minutes(histories: Sequence[tuple[str, Path]]) -> dict[str, Spread]:
    """Return the duration of the training of each variant in minutes."""
    found: dict[str, tuple[float, ...]] = {}
    for name, path in histories:
        found[name] = (*found.get(name, ()), float(read_history(path)["seconds"].iloc[-1]) / 60)
    return {name: Spread(values) for name, values in found.items()}


def _spread(results: Sequence[Result], *keys: str) -> Spread:
    """Return a score over seeds; for benchmarks without both classes, "avg" is replaced by the mean over all pairs."""
    values = tuple(result.number("figures", *keys) for result in results)
    if keys[-1] == "avg" and np.isnan(values).all():
        return _spread(results, *keys[:-1], "all")
    return Spread(values)


def _text(grouped: Mapping[str, Rows], minutes: Mapping[str, Spread], differences: Mapping[str, str], note: str) -> str:
    lines = [note, ""] if note else []
    for benchmark, rows in grouped.items():
        first = next(iter(rows.values()))[0]
        cells = [["", *(name for name, _ in _SHOWN), "minutes"]]
        for name, results in rows.items():
            trained = minutes[name].show(1) if name in minutes else "\N{EN DASH}"
            cells.append([name, *(_spread(results, *keys).show() for _, keys in _SHOWN), trained])
        lines += [f"{benchmark} ({first.get('protocol')})", *aligned(cells), ""]
    seeds = max(len(results) for rows in grouped.values() for results in rows.values())
    if seeds > 1:
        lines += [f"Means and sample standard deviations over {seeds} seeds.", ""]
    lines += [_LEGEND, ""]
    lines += aligned(list(differences.items()), left=2)
    return "\n".join(lines) + "\n"


def _csv(grouped: Mapping[str, Rows], minutes: Mapping[str, Spread], differences: Mapping[str, str]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("benchmark", "run", "changes", "group", "figure", "mean", "deviation", "seeds", "values"))
    for benchmark, rows in grouped.items():
        for name, results in rows.items():
            head = (benchmark, name, differences.get(name, ""))
            for one in main_figures(results[0]):
                spread = Spread(tuple(result.number(*one.keys) for result in results))
                writer.writerow((*head, one.group, one.name, *_numbers(spread, one)))
            if name in minutes:
                writer.writerow((*head, "training", "minutes", *_numbers(minutes[name])))
    return stream.getvalue()


def _numbers(spread: Spread, one: Figure | None = None) -> tuple[str, ...]:
    digits = 2 if one is None else one.digits + 1
    mean, deviation, *values = (
        "" if np.isnan(value) else f"{value:.{digits}f}" for value in (spread.mean, spread.deviation, *spread.values)
    )
    return mean, deviation, str(len(values)), " ".join(values)


def _draw(grouped: Mapping[str, Rows], plot: Path) -> None:
    """Draw one panel per benchmark: variants as rows, matching accuracy on the x axis."""
    most = max(len(rows) for rows in grouped.values())
    with figure(plot, 2.0 + 4.2 * len(grouped), 1.3 + 0.34 * most) as drawing:
        panels = drawing.subplots(1, len(grouped), squeeze=False, sharey=True)[0]
        for axes, (benchmark, rows) in zip(panels, grouped.items(), strict=True):
            heights = np.arange(len(rows))
            for row, (label, key) in enumerate(_PLOTTED):
                spreads = [_spread(results, "mma", "3", key) for results in rows.values()]
                axes.errorbar(
                    [spread.mean for spread in spreads],
                    heights,
                    xerr=[0 if len(spread.values) == 1 else spread.deviation for spread in spreads],
                    fmt=MARKERS[row],
                    color=COLORS[row],
                    capsize=2,
                    label=label,
                )
            axes.set(title=benchmark, xlabel="MMA@3", yticks=heights, yticklabels=list(rows))
            axes.set_ylim(len(rows) - 0.5, -0.5)
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(_PLOTTED))
