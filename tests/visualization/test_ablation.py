"""Tables and plots of an ablation."""

import csv
import statistics
from pathlib import Path

import matplotlib.axes
import pytest

from hndesc.errors import HndescError
from hndesc.visualization.ablation import write_ablation


@pytest.fixture
def compared(write_result, tmp_path: Path) -> dict:
    """Two variants on two benchmarks, the second with three seeds, and a reference."""
    scales = [("sift", 0.9), ("base", 1.0), ("no_color", 0.8), ("no_color", 0.9), ("no_color", 0.7)]
    histories = []
    for number, (name, _) in enumerate(scales[1:]):
        path = tmp_path / f"history{number}.csv"
        head = "step,loss,ap,validation_loss,accuracy,learning_rate,seconds"
        path.write_text(f"{head}\n0,,,1,0.1,0.1,0\n9,1,0,1,0.5,0.1,{120 + 60 * number}\n")
        histories.append((name, path))
    results, benchmarks, names = [], [], []
    for benchmark in ("demo", "real"):
        for number, (name, scale) in enumerate(scales):
            results.append(write_result("hpatches", f"{benchmark}{number}", scale))
            benchmarks.append(benchmark)
            names.append(name)
    files = {name: tmp_path / file for name, file in (("text", "t.txt"), ("table", "t.csv"), ("plot", "p.png"))}
    differences = {"base": "as configured", "no_color": "color.probability = 0"}
    inputs = {"results": results, "benchmarks": benchmarks, "names": names}
    return inputs | {"histories": histories, "differences": differences, "note": "A note."} | files


def test_text_has_means_and_deviations_over_seeds(compared: dict) -> None:
    write_ablation(**compared)
    lines = compared["text"].read_text().splitlines()
    assert lines[0] == "A note."
    assert lines[2] == "demo (protocol of hpatches)"
    assert lines[3].split("  ")[-1] == "minutes"
    sift, base, no_color = (line.split() for line in lines[4:7])
    # the mean of v and i at 3 px is 0.6 * 0.3 times the scale
    assert (sift[0], sift[4], sift[-1]) == ("sift", "0.162", "\N{EN DASH}")
    assert (base[0], base[4], base[-1]) == ("base", "0.180", "2.0")
    assert " ".join(no_color[10:13]) == "0.144 ± 0.018"
    assert no_color[-3:] == ["4.0", "±", "1.0"]
    assert "real (protocol of hpatches)" in lines
    assert lines[-1] == "no_color  color.probability = 0"


def test_csv_has_every_figure_and_value(compared: dict) -> None:
    write_ablation(**compared)
    with open(compared["table"], newline="") as stream:
        rows = list(csv.DictReader(stream))
    (row,) = (
        row
        for row in rows
        if (row["benchmark"], row["run"], row["group"], row["figure"]) == ("real", "no_color", "MMA@5 px", "i")
    )
    values = [0.7 * 0.5 * scale for scale in (0.8, 0.9, 0.7)]
    assert float(row["mean"]) == pytest.approx(statistics.fmean(values), abs=1e-4)
    assert float(row["deviation"]) == pytest.approx(statistics.stdev(values), abs=1e-4)
    assert [float(value) for value in row["values"].split()] == pytest.approx(values, abs=1e-4)
    assert (row["seeds"], row["changes"]) == ("3", "color.probability = 0")
    alone = [row for row in rows if row["run"] == "base"]
    assert {row["deviation"] for row in alone} == {""} and {row["seeds"] for row in alone} == {"1"}
    assert [row["mean"] for row in alone if row["figure"] == "minutes"] == ["2.00", "2.00"]


def test_plot_has_a_panel_a_benchmark_and_a_point_a_variant(compared: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    errorbar = matplotlib.axes.Axes.errorbar

    def keep(axes, x, y, xerr, **style):
        drawn.append((axes, style["label"], x, xerr))
        return errorbar(axes, x, y, xerr=xerr, **style)

    monkeypatch.setattr(matplotlib.axes.Axes, "errorbar", keep)
    write_ablation(**compared)
    assert len({axes for axes, *_ in drawn}) == 2
    assert [label for _, label, *_ in drawn[:3]] == ["viewpoint", "illumination", "mean"]
    _, _, x, errors = drawn[0]
    assert x == pytest.approx([0.5 * 0.3 * scale for scale in (0.9, 1.0, 0.8)])
    assert errors == pytest.approx([0, 0, 0.5 * 0.3 * 0.1])
    axes = drawn[0][0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sift", "base", "no_color"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first one on top
    assert compared["plot"].stat().st_size > 5000


def test_without_a_benchmark_or_with_another_kind(compared: dict, write_result) -> None:
    with pytest.raises(HndescError, match="no results to compare"):
        write_ablation(**(compared | {"results": [], "benchmarks": [], "names": []}))
    other = {"results": [write_result("retrieval")], "benchmarks": ["x"], "names": ["y"]}
    with pytest.raises(HndescError, match="needs results of the kind hpatches, not retrieval"):
        write_ablation(**(compared | other))


def test_a_set_without_classes_has_the_mean_over_all_pairs(compared: dict, write_result) -> None:
    def no_classes(record: dict) -> None:
        for values in record["figures"]["mma"].values():
            values |= {"v": None, "i": None, "avg": None}

    one = {"results": [write_result("hpatches", "x", change=no_classes)], "benchmarks": ["x"], "names": ["base"]}
    write_ablation(**(compared | one))
    row = compared["text"].read_text().splitlines()[4].split()
    assert row[:5] == ["base", "0.061", "\N{EN DASH}", "\N{EN DASH}", "0.183"]
