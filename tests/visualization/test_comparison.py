"""Main figures: what is read, how it is rounded, which is best."""

import math
import re

import pytest

from hndesc.datasets.kinds import KINDS, BenchmarkKind
from hndesc.errors import HndescError
from hndesc.visualization.comparison import Figure, Table, gather, main_figures
from hndesc.visualization.results import Result

DIFFERENCE = ("trained", "untrained")


def test_a_figure_is_scaled_shared_and_rounded(write_result) -> None:
    result = Result(write_result("localization"))
    place = ("figures", "localized", "night")
    share = Figure("night", "localized (%)", (*place, "localized"), factor=100, digits=1, total=(*place, "queries"))
    assert share.read(result) == 50.0
    assert Figure("map", "track length", ("figures", "map", "mean_track_length"), digits=1).read(result) == 3.2
    assert math.isnan(Figure("map", "error", ("figures", "map", "mean_reprojection_error")).read(result))


@pytest.mark.parametrize(
    ("values", "lower", "best"),
    [([1, 3, 2], False, 3), ([1, 3, 2], True, 1), ([2, math.nan, 3], False, 3)],
)
def test_best(values: list[float], lower: bool, best: float) -> None:
    table = Table("b", "p", [Figure("g", "n", (), lower=lower)], {str(row): [one] for row, one in enumerate(values)})
    assert table.best(0) == best


@pytest.mark.parametrize("values", [[2], [2, 2], [2, math.nan], [math.nan, math.nan]])
def test_none_is_best_among_equals(values: list[float]) -> None:
    table = Table("b", "p", [Figure("g", "n", ())], {str(row): [one] for row, one in enumerate(values)})
    assert math.isnan(table.best(0))


def test_columns_of_each_kind(write_result) -> None:
    def columns(kind: str, change=lambda record: None) -> list[tuple[str, str]]:
        return [(one.group, one.name) for one in main_figures(Result(write_result(kind, change=change)))]

    hpatches = columns("hpatches")
    assert hpatches[:4] == [("MMA@1 px", kind) for kind in ("v", "i", "avg", "all")]
    assert ("Homography accuracy@3 px (RANSAC)", "all") in hpatches and ("AUC@10 px (RANSAC)", "v") in hpatches
    assert columns("retrieval")[0] == ("mAP re-ranked (%)", "Easy")
    localization = columns("localization")
    assert ("night queries", "localized (%)") in localization
    assert [name for group, name in localization if group == "night queries"] == ["localized (%)"]  # no truth
    assert ("day queries", "0.25 m, 2\N{DEGREE SIGN} (%)") in localization


@pytest.mark.parametrize("kind", KINDS)
def test_each_main_column_of_a_kind_is_a_column_of_its_tables(write_result, kind: str) -> None:
    cuts = {str(cut): 0.5 for cut in (1, 5, 10, 20)}
    others = {
        "tokyo247": {"figures": {"recall": cuts}, "figures_before": {"recall": cuts}},
        "reconstruction": {"figures": {"median_position_share": 0.01}},
    }
    written = write_result(
        "retrieval" if kind in others else kind, change=lambda r: r.update(others.get(kind, {}), kind=kind)
    )
    names = [f"{figure.group} {figure.name}" for figure in main_figures(Result(written))]
    for form in KINDS[kind].headline:
        assert any(re.fullmatch(form, name) for name in names), form
    assert re.fullmatch(KINDS[kind].headline[0], names[KINDS[kind].main_columns(names)[0]])
    assert KINDS[kind].main_columns(["something else", "other"]) == [0] and KINDS[kind].main_columns([]) == []


def test_columns_of_orders_and_difficulty(write_result) -> None:
    def change(record: dict) -> None:
        own = record["figures"]["estimators"]["ransac"]
        own["homography_auc_mean"] = own["homography_auc_deviation"] = {"5": {"v": 0.1, "i": 0.2, "all": 0.3}}
        scores = {"pairs": 3, "mma": 0.25, "near_misses": 0.1, "homography_auc": {"ransac": 0.75}}
        nothing = {"pairs": 0, "mma": None, "near_misses": None, "homography_auc": {"ransac": None}}
        record["figures"]["difficulty"] = {"turn": {"below 15": scores, "90 to 180": nothing}, "light": {}}

    result = Result(write_result("hpatches", change=change))
    columns = {(one.group, one.name): one for one in main_figures(result)}
    assert columns["AUC@5 px (RANSAC), mean over orders of the matches", "i"].read(result) == 0.2
    deviation = columns["AUC@5 px (RANSAC), deviation over these orders", "all"]
    assert (deviation.read(result), deviation.lower) == (0.3, True)
    turns = {key: one.read(result) for key, one in columns.items() if "rotation" in key[0]}
    assert turns == {
        ("MMA@3 px by in-plane rotation, degrees", "below 15"): 0.25,
        ("AUC@5 px (RANSAC) by in-plane rotation, degrees", "below 15"): 0.75,
    }


def test_a_set_without_classes_has_means_over_all_alone(write_result) -> None:
    def drop(record: dict) -> None:
        for means in record["figures"]["mma"].values():
            means |= {"v": None, "i": None, "avg": None}

    figures = main_figures(Result(write_result("hpatches", change=drop)))
    assert {one.name for one in figures} == {"all"}


def test_recall_has_the_cuts_of_the_result(write_result) -> None:
    def tokyo(record: dict) -> None:
        cuts = {"1": 0.25, "10": 0.5}
        record |= {"kind": "tokyo247", "figures": {"recall": cuts}, "figures_before": {"recall": cuts}}

    result = Result(write_result("retrieval", change=tokyo))
    shown = [(one.group, one.name, one.read(result)) for one in main_figures(result)]
    assert shown[:2] == [("recall re-ranked (%)", "@1", 25.0), ("recall re-ranked (%)", "@10", 50.0)]
    assert len(shown) == 4


def test_tables_keep_the_order_and_take_the_difference(write_result) -> None:
    names = ("sift", "untrained", "trained")
    paths = [write_result("retrieval", name, scale) for name, scale in zip(names, (1.1, 0.5, 1.0), strict=True)]
    (table,) = gather(paths, ["r"] * 3, names, DIFFERENCE)
    assert list(table.rows) == list(names)
    label, values = table.difference
    assert label == "trained \N{MINUS SIGN} untrained"
    assert values[0] == pytest.approx(45) and math.isnan(values[2])
    assert "sift: 1 failed and counted as errors; see retrieval_sift.json." in table.remarks
    (alone,) = gather(paths[:2], ["r"] * 2, names[:2], DIFFERENCE)
    assert alone.difference is None


def toy_figures(result: Result) -> list[Figure]:
    return [Figure("mAP", "easy", ("figures", "mAP", "easy"))]


def test_a_further_kind_brings_its_figures(write_result, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_result("retrieval", change=lambda record: record.update(kind="toy"))
    with pytest.raises(HndescError, match="no table for a benchmark of kind 'toy'"):
        gather([path], ["t"], ["sift"], DIFFERENCE)
    toy = BenchmarkKind(title="", section="", images="", verify="", score="", main_figures=f"{__name__}:toy_figures")
    monkeypatch.setitem(KINDS, "toy", toy)
    (table,) = gather([path], ["t"], ["sift"], DIFFERENCE)
    assert table.rows == {"sift": [0.9]}


def test_what_cannot_be_compared_is_named(write_result) -> None:
    one, other = write_result("retrieval"), write_result("localization")
    with pytest.raises(HndescError, match="a localization result among retrieval results of b"):
        gather([one, other], ["b", "b"], ["sift", "trained"], DIFFERENCE)
    with pytest.raises(HndescError, match="there is more than one result of sift on b"):
        gather([one, one], ["b", "b"], ["sift", "sift"], DIFFERENCE)
    with pytest.raises(HndescError, match="no results"):
        gather([], [], [], DIFFERENCE)
