"""Tables of the main scores of descriptors on each benchmark."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hndesc.datasets.kinds import KINDS
from hndesc.errors import HndescError
from hndesc.geometry.robust import ESTIMATORS
from hndesc.runtime.plugins import load_place
from hndesc.visualization.equal_yield import equal_yield
from hndesc.visualization.origins import origin
from hndesc.visualization.results import Result

_RANKING = (
    ("correct_matches", "Correct matches per pair", 1),
    ("near_misses", "Near misses, 3 to 10 px", 3),
    ("average_precision", "Average precision", 3),
    ("recall", "Recall", 3),
)
_KEYPOINTS = (
    ("repeatability", "Repeatability@3 px, {} keypoints", 3),
    ("localization_error", "Localization error (px), {} keypoints", 2),
)
_DIFFICULTY = {"turn": "in-plane rotation, degrees", "zoom": "factor of scale", "light": "illumination change"}


@dataclass(frozen=True)
class Figure:
    """One column of a table.

    Attributes:
        group: heading shared by neighboring columns, with the unit.
        name: heading of the column below it.
        keys: keys of the value in a result.
        factor: factor from the stored to the displayed value.
        digits: displayed decimals.
        lower: whether lower is better.
        total: keys of the total, if the column shows a count as a share of a total.
        block: name of a group of columns; blocks are placed below each other on a page.
    """

    group: str
    name: str
    keys: tuple[str, ...]
    factor: float = 1.0
    digits: int = 3
    lower: bool = False
    total: tuple[str, ...] = ()
    block: str = ""

    def read(self, result: Result) -> float:
        """Return the displayed value, rounded; NaN if there is nothing to average."""
        value = result.number(*self.keys) * self.factor
        if self.total:
            value /= result.number(*self.total)
        return round(value, self.digits)


@dataclass
class Table:
    """The scores of one benchmark.

    Attributes:
        benchmark: name of the benchmark.
        protocol: description of the evaluation in one line.
        figures: columns.
        rows: descriptor -> values, in the order of `figures`.
        difference: label and values of the difference of two rows, if both exist.
        remarks: further lines.
    """

    benchmark: str
    protocol: str
    figures: list[Figure]
    rows: dict[str, list[float]]
    difference: tuple[str, list[float]] | None = None
    remarks: list[str] = field(default_factory=list)

    def best(self, column: int) -> float:
        """Return the best value of a column; NaN if all values are equal."""
        values = {row[column] for row in self.rows.values() if not math.isnan(row[column])}
        if len(values) < 2:
            return math.nan
        return min(values) if self.figures[column].lower else max(values)


def gather(
    results: Sequence[Path],
    benchmarks: Sequence[str],
    descriptors: Sequence[str],
    difference: tuple[str, str],
) -> list[Table]:
    """Return the tables of results, in the order of the first occurrence of benchmarks and descriptors."""
    if not results:
        raise HndescError("no results for the tables; evaluate at least one benchmark")
    grouped: dict[str, dict[str, Result]] = {}
    for path, benchmark, descriptor in zip(results, benchmarks, descriptors, strict=True):
        group = grouped.setdefault(benchmark, {})
        if descriptor in group:
            raise HndescError(f"{path}: there is more than one result of {descriptor} on {benchmark}; give each once")
        group[descriptor] = Result(path)
    return [_table(benchmark, group, difference) for benchmark, group in grouped.items()]


def _table(
    benchmark: str,
    results: Mapping[str, Result],
    difference: tuple[str, str],
) -> Table:
    first = next(iter(results.values()))
    figures = main_figures(first)
    for result in results.values():
        if result.kind != first.kind:
            raise HndescError(f"{result.path}: a {result.kind} result among {first.kind} results of {benchmark}")
    rows = {name: [figure.read(result) for figure in figures] for name, result in results.items()}
    if first.kind == "hpatches":
        _add_equal_yield(figures, rows, equal_yield(results))
    table = Table(benchmark, str(first.get("protocol")), figures, rows)
    origins = {name: origin(result.get("features")) for name, result in results.items()}
    table.remarks += [f"{name}: {text}." for name, text in origins.items() if text]
    for name, result in results.items():
        if count := _failures(result):
            table.remarks.append(f"{name}: {count} failed and counted as errors; see {result.path.name}.")
    if left_out := first.get("left_out") if first.kind == "hpatches" else ():
        table.remarks.append(f"Excluded as very large: {', '.join(left_out)}.")
    one, other = difference
    if one in rows and other in rows:
        values = [a - b for a, b in zip(rows[one], rows[other], strict=True)]
        table.difference = f"{one} \N{MINUS SIGN} {other}", values
    return table


def _add_equal_yield(
    figures: list[Figure], rows: Mapping[str, list[float]], known: Mapping[str, Mapping[str, float]]
) -> None:
    """Add the columns at equal yield, which depend on all results; NaN for descriptors without them."""
    classes = [kind for kind in ("v", "i", "avg") if any(not math.isnan(means[kind]) for means in known.values())]
    for kind in [*classes, "all"] if known else []:
        figure = Figure("MMA@3 px at equal yield", kind, (), block="yield")
        figures.append(figure)
        for name, values in rows.items():
            values.append(round(known[name][kind], figure.digits) if name in known else math.nan)


def _failures(result: Result) -> int:
    failures = result.get("failures")
    return len(failures["features"] if isinstance(failures, Mapping) else failures)


def main_figures(result: Result) -> list[Figure]:
    """Return the main scores of a result."""
    if result.kind not in KINDS:
        raise HndescError(f"{result.path}: no table for a benchmark of kind '{result.kind}'")
    return load_place(KINDS[result.kind].main_figures)(result)


def hpatches_figures(result: Result) -> list[Figure]:
    """Return matching accuracy (average of v and i, and mean over all pairs) and homography accuracy per estimator."""
    known = result.get("figures")
    # Pairs without classes have means over all pairs only.
    classes = [kind for kind in "vi" if any(known["mma"]["3"].get(one) is not None for one in "vi")]
    figures = [
        Figure(f"MMA@{threshold} px", kind, ("figures", "mma", str(threshold), kind), block="mma")
        for threshold in (1, 3, 5)
        for kind in [*classes, *(["avg"] if classes else []), "all"]
    ]
    titles = {
        "homography_accuracy": "Homography accuracy@{} px ({})",
        "homography_auc": "AUC@{} px ({})",
        "homography_auc_mean": "AUC@{} px ({}), mean over orders of the matches",
        "homography_auc_deviation": "AUC@{} px ({}), deviation over these orders",
    }
    for estimator, own in result.get("figures", "estimators").items():
        for key, title in titles.items():
            figures += [
                Figure(
                    title.format(threshold, ESTIMATORS.get(estimator, estimator)),
                    kind,
                    ("figures", "estimators", estimator, key, threshold, kind),
                    lower=key == "homography_auc_deviation",
                    block=f"{estimator} {key}",
                )
                for threshold in own.get(key, ())
                for kind in [*classes, "all"]
            ]
    if "matching_score" in known:
        place = ("figures", "matching_score")
        figures += [Figure("Matching score@3 px", kind, (*place, kind), block="score") for kind in [*classes, "all"]]
    for key, title, digits in _RANKING:
        if key in known:
            options: dict[str, Any] = {"digits": digits, "lower": key == "near_misses", "block": "ranking"}
            figures += [Figure(title, kind, ("figures", key, kind), **options) for kind in [*classes, "all"]]
    for key, title, digits in _KEYPOINTS:
        options = {"digits": digits, "lower": key == "localization_error", "block": key}
        figures += [
            Figure(title.format(budget), kind, ("figures", key, budget, kind), **options)
            for budget in known.get(key, ())
            for kind in [*classes, "all"]
        ]
    return figures + _difficulty_figures(known)


def _difficulty_figures(known: Mapping) -> list[Figure]:
    """Return matching accuracy, and the AUC of the last estimator, by classes of difficulty that have pairs."""
    estimator = list(known["estimators"])[-1]
    area = f"AUC@5 px ({ESTIMATORS.get(estimator, estimator)})"
    return [
        Figure(f"{title} by {_DIFFICULTY[key]}", name, ("figures", "difficulty", key, name, *keys), block=key + title)
        for key, classes in known.get("difficulty", {}).items()
        for title, keys in (("MMA@3 px", ("mma",)), (area, ("homography_auc", estimator)))
        for name, scores in classes.items()
        if scores["pairs"]
    ]


def retrieval_figures(result: Result) -> list[Figure]:
    """Return the mean average precision by setup, with re-ranking and for the shortlist."""
    groups = (("mAP re-ranked (%)", "figures"), ("mAP of the shortlist (%)", "figures_before"))
    return [
        Figure(title, setup.capitalize(), (key, "mAP", setup), 100.0, 2)
        for title, key in groups
        for setup in ("easy", "medium", "hard")
    ]


def recall_figures(result: Result) -> list[Figure]:
    """Return the recall at each cut, with re-ranking and for the shortlist."""
    groups = (("recall re-ranked (%)", "figures"), ("recall of the shortlist (%)", "figures_before"))
    return [
        Figure(title, f"@{cut}", (key, "recall", cut), 100.0, 2)
        for title, key in groups
        for cut in result.get("figures", "recall")
    ]


def localization_figures(result: Result) -> list[Figure]:
    """Return the share of localized queries, their errors by condition, and statistics of the map."""
    figures = []
    known = result.get("figures")
    for condition in sorted(result.get("figures", "localized")):
        options = {"group": f"{condition} queries", "block": condition}
        place = ("figures", "localized", condition)
        figures.append(
            Figure(
                name="localized (%)",
                keys=(*place, "localized"),
                factor=100.0,
                digits=1,
                total=(*place, "queries"),
                **options,
            )
        )
        if condition not in known:  # the ground truth is only on the server of the benchmark
            continue
        for threshold in result.get("figures", condition, "recall"):
            meters, degrees = threshold.split("/")
            name = f"{meters} m, {degrees}\N{DEGREE SIGN} (%)"
            figures.append(
                Figure(name=name, keys=("figures", condition, "recall", threshold), factor=100.0, digits=1, **options)
            )
        medians = (
            ("m", "position_error", 1.0, 3),
            ("% of camera distance", "position_share", 100.0, 3),
            ("\N{DEGREE SIGN}", "rotation_error", 1.0, 2),
        )
        for name, key, factor, digits in medians:
            place = ("figures", condition, f"median_{key}")
            figures.append(
                Figure(name=f"median ({name})", keys=place, factor=factor, digits=digits, lower=True, **options)
            )
    keys = ("figures", "map")
    return [
        *figures,
        Figure("map", "points", (*keys, "points"), digits=0, block="map"),
        Figure("map", "track length", (*keys, "mean_track_length"), digits=2, block="map"),
        Figure("map", "reprojection error (px)", (*keys, "mean_reprojection_error"), lower=True, block="map"),
    ]


def reconstruction_figures(result: Result) -> list[Figure]:
    """Return the registered images, statistics of the largest model and, if known, its errors."""

    def figure(name: str, key: str, factor: float = 1.0, digits: int = 3, lower: bool = False) -> Figure:
        total = ("figures", "images") if key == "registered" else ()
        return Figure("reconstruction", name, ("figures", key), factor, digits, lower, total, "reconstruction")

    figures = [
        figure("registered (%)", "registered", 100.0, 1),
        figure("points", "points", digits=0),
        figure("track length", "mean_track_length", digits=2),
        figure("reprojection error (px)", "mean_reprojection_error", lower=True),
    ]
    if result.has("figures", "median_position_share"):
        share = "median position error (% of the mean camera distance)"
        figures.append(figure(share, "median_position_share", 100.0, lower=True))
        figures.append(figure("median rotation error (\N{DEGREE SIGN})", "median_rotation_error", lower=True))
    return figures
