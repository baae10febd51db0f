"""MMA at equal yield from results of several descriptors."""

import math

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.evaluation.hpatches.ranking import pack
from hndesc.visualization.comparison import gather
from hndesc.visualization.equal_yield import equal_yield, equal_yields
from hndesc.visualization.results import Result


def sequence(kind: str, *orders: str) -> dict:
    """A sequence with a pair for each text of 1 (correct) and 0."""
    flags = [np.array([one == "1" for one in order], bool) for order in orders]
    return {
        "class": kind,
        "pairs": [["1", str(number + 2)] for number in range(len(orders))],
        "matches": [len(one) for one in flags],
        "correct_in_order": [pack(one) for one in flags],
    }


@pytest.fixture
def written(write_result):
    def write(name: str, **sequences: dict):
        def change(record: dict) -> None:
            record["per_sequence"] = sequences
            record["figures"]["average_precision"] = {"v": 0.5, "i": 0.5, "all": 0.5}

        return write_result("hpatches", name, change=change)

    return write


@pytest.fixture
def two(written):
    many = written("many", v_a=sequence("v", "1101000000", "1110"), i_b=sequence("i", "10"))
    few = written("few", v_a=sequence("v", "1011", "11001"), i_b=sequence("i", "011"))
    return {"many": many, "few": few}


def test_each_pair_is_cut_at_the_fewest_matches(two):
    found = equal_yield({name: Result(path) for name, path in two.items()})
    assert found["many"] == pytest.approx({"v": 0.75, "i": 0.5, "avg": 0.625, "all": (0.75 + 0.75 + 0.5) / 3})
    assert found["few"] == pytest.approx({"v": (0.75 + 0.5) / 2, "i": 0.5, "avg": 0.5625, "all": 1.75 / 3})


def test_pairs_on_which_one_has_no_match_are_skipped(written):
    results = {
        "a": Result(written("a", v_a=sequence("v", "10", ""))),
        "b": Result(written("b", v_a=sequence("v", "11", "111"))),
    }
    found = equal_yield(results)
    assert (found["a"]["v"], found["b"]["v"]) == (0.5, 1.0)
    assert math.isnan(found["a"]["i"]) and math.isnan(found["a"]["avg"])


def test_one_result_or_older_ones_have_none(two, write_result):
    assert equal_yield({"many": Result(two["many"])}) == {}
    assert equal_yield({"many": Result(two["many"]), "older": Result(write_result("hpatches", "older"))}) == {}


@pytest.mark.parametrize(
    "flaw",
    [{"correct_in_order": [text, "gA=="]} for text in ("", "!!", "\N{SNOWMAN}", 7, None, [], "gA==" * 10**5 + "=")]
    + [{"correct_in_order": value} for value in ([], "x", 5, None, ["wA=="] * 3)]
    + [{"matches": value} for value in ([-2, 1], [10**12, 1], ["2", 1], [None, 1], [2.5, 1], [float("nan"), 1], 3, {})]
    + [{"pairs": value} for value in ([["1"], ["1", "3"]], [["1", "2", "3"]] * 2, [1, 2], [[[], []]] * 2, None)],
)
def test_flaws_name_the_file(two, written, flaw):
    broken = sequence("v", "11", "1") | flaw
    results = {"many": Result(two["many"]), "broken": Result(written("broken", v_a=broken))}
    with pytest.raises(HndescError, match=r"hpatches_broken\.json: matches of 'v_a' cannot be read"):
        equal_yield(results)


@pytest.mark.parametrize("flaw", [5, "v_a", ["v_a"], None])
def test_sequences_must_be_a_section(two, write_result, flaw):
    def change(record: dict) -> None:
        record["per_sequence"] = flaw
        record["figures"]["average_precision"] = {"v": 0.5, "i": 0.5, "all": 0.5}

    results = {"many": Result(two["many"]), "broken": Result(write_result("hpatches", "broken", change=change))}
    with pytest.raises(HndescError, match=r"hpatches_broken\.json: 'per_sequence'"):
        equal_yield(results)


def test_tables_have_a_column_for_each_class(two):
    (table,) = gather(list(two.values()), ["b", "b"], list(two), ("trained", "untrained"))
    names = [figure.name for figure in table.figures if figure.group == "MMA@3 px at equal yield"]
    assert names == ["v", "i", "avg", "all"]
    assert table.rows["many"][-4:] == [0.75, 0.5, 0.625, 0.667]
    assert table.rows["few"][-4:] == pytest.approx([0.625, 0.5, 0.5625, 0.583], abs=1e-3)


@pytest.mark.parametrize("change", [{"benchmark": "another"}, {"features": {"detector": {"name": "disk"}}}])
def test_results_of_one_benchmark_and_detector_are_compared(two, write_result, change):
    def other(record: dict) -> None:
        record["per_sequence"] = {"v_a": sequence("v", "0", "0")}
        record["figures"]["average_precision"] = {"v": 0.5, "i": 0.5, "all": 0.5}
        record.update(change)

    found = equal_yields([two["many"], write_result("hpatches", "alone", change=other), two["few"]])
    assert found.keys() == {two["many"], two["few"]}
    assert found[two["many"]]["avg"] == pytest.approx(0.625)
