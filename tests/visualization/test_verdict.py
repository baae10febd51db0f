"""What the main scores say."""

from collections.abc import Mapping
from math import nan

from hndesc.visualization.comparison import Figure, Table
from hndesc.visualization.verdict import main_scores, verdict

PAIR = ("trained", "untrained")


def scores(benchmark: str, kind: str, names: list[tuple[str, str]], rows: Mapping[str, list[float]], lower=False):
    figures = [Figure(group, name, (), digits=2, lower=lower) for group, name in names]
    return main_scores(Table(benchmark, "", figures, dict(rows)), kind)


def matching(**values: float):
    return scores("pairs", "hpatches", [("MMA@3 px", "all")], {name: [value] for name, value in values.items()})


def test_main_scores_are_in_the_order_of_the_kind() -> None:
    names = [("MMA@1 px", "avg"), ("AUC@5 px (MAGSAC++)", "all"), ("MMA@3 px", "v"), ("MMA@3 px", "avg")]
    rows = scores("hpatches", "hpatches", names, {"a": [1, 2, 3, 4], "b": [0, 5, 3, 1]})
    assert [row.name for row in rows] == ["MMA@3 px avg", "MMA@3 px v", "AUC@5 px (MAGSAC++) all"]
    assert [row.cell("a") for row in rows] == ["4.00", "3.00", "2.00"] and rows[2].best == 5
    assert rows[0].cell("absent") == ""


def test_the_best_of_each_benchmark_and_the_next_are_named() -> None:
    other = scores("scene", "localization", [("day queries", "median (m)")], {"a": [0.3], "b": [0.1]}, lower=True)
    assert verdict([*matching(a=0.5, b=0.75, sift=0.8), *other], PAIR) == [
        "Best on pairs (MMA@3 px all): sift 0.80, next b 0.75; on scene (day queries median (m)): b 0.10, next a 0.30."
    ]


def test_training_is_compared() -> None:
    more = scores("oxford", "retrieval", [("mAP re-ranked (%)", "Medium")], {"trained": [80], "untrained": [70]})
    assert verdict([*matching(trained=0.5, untrained=0.25, sift=0.4), *more], PAIR) == [
        "Best on pairs (MMA@3 px all): trained 0.50, next sift 0.40; on oxford (mAP re-ranked (%) Medium): trained "
        "80.00, next untrained 70.00.",
        "From untrained to trained: pairs 0.25 \N{RIGHTWARDS ARROW} 0.50 and oxford 70.00 \N{RIGHTWARDS ARROW} 80.00.",
    ]


def test_equal_missing_and_single_scores() -> None:
    assert verdict(matching(a=0.5, b=0.5), PAIR) == ["Best on pairs (MMA@3 px all): no difference."]
    assert verdict(matching(a=0.5, b=0.5, c=0.1), PAIR) == ["Best on pairs (MMA@3 px all): a and b 0.50, next c 0.10."]
    assert verdict(matching(a=0.5, b=nan, c=0.1), PAIR) == ["Best on pairs (MMA@3 px all): a 0.50, next c 0.10."]
    assert verdict(matching(a=0.5), PAIR) == ["A comparison needs more than one descriptor."]
    names = [("day queries", "localized (%)"), ("night queries", "localized (%)")]
    rows = scores("scene", "localization", names, {"a": [100, 50], "b": [100, 75]})
    assert verdict(rows, PAIR) == ["Best on scene (night queries localized (%)): b 75.00, next a 50.00."]
