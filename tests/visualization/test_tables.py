"""Comparison tables, read back from HTML, CSV and text."""

import csv
import json
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hndesc.errors import HndescError
from hndesc.visualization.tables import write_tables

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


class Page(HTMLParser):
    """Rows of all tables of a page; cells of the class of bold ones are marked with a star."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        self.best = "best" in str(dict(attributes).get("class")).split()
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "td" and self.best:
            self.tables[-1][-1][-1] += "*"
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, Path]:
    return {"html": tmp_path / "t.html", "table": tmp_path / "t.csv", "summary": tmp_path / "t.txt"}


@pytest.fixture
def all_results(write_result) -> tuple[list[Path], list[str], list[str]]:
    rows = [
        (write_result(kind, name, scale), f"my_{kind}", name)
        for kind in ("hpatches", "retrieval", "localization")
        for name, scale in (("trained", 1.0), ("untrained", 0.8), ("sift", 1.1))
    ]
    return tuple(list(column) for column in zip(*rows, strict=True))


def test_html_shows_every_figure_the_best_bold_and_the_difference(all_results, outputs) -> None:
    write_tables(*all_results, **outputs, note="Numbers of a <toy>.")
    page = Page(outputs["html"].read_text())
    accuracy, homographies, areas, retrieval, day, night, built = page.tables
    assert accuracy[0] == ["", "MMA@1 px", "MMA@3 px", "MMA@5 px"]
    assert accuracy[1] == ["descriptor", *["v", "i", "avg", "all"] * 3]
    assert accuracy[2][:9] == ["trained", "0.050", "0.070", "0.060", "0.061", "0.150", "0.210", "0.180", "0.183"]
    assert accuracy[4][:4] == ["sift", "0.055*", "0.077*", "0.066*"]
    assert accuracy[5][:4] == [f"trained {MINUS} untrained", "+0.010", "+0.014", "+0.012"]
    assert homographies[0] == ["", *(f"Homography accuracy@{t} px (RANSAC)" for t in (1, 3, 5, 10))]
    assert homographies[1] == ["descriptor", *["v", "i", "all"] * 4]
    assert areas[0] == ["", *(f"AUC@{t} px (RANSAC)" for t in (3, 5, 10))]
    assert areas[2][1:4] == ["0.250", "0.350", "0.305"]
    assert homographies[2][1:4] == ["0.500", "0.700", "0.610"]
    assert retrieval[3] == ["untrained", "72.00", "56.00", DASH, "60.00", "50.00", DASH]
    assert retrieval[5][1:4] == ["+18.00", "+14.00", DASH]
    assert day[1][2:] == [
        "0.25 m, 2° (%)",
        "0.5 m, 5° (%)",
        "5 m, 10° (%)",
        *(f"median ({unit})" for unit in ("m", "% of camera distance", "°")),
    ]
    assert day[2] == ["trained", "90.0", "80.0", "90.0", "100.0", "0.020", "0.400", "0.30"]
    assert day[4] == ["sift", "90.0", "88.0*", "99.0*", "100.0", "0.018*", "0.364*", "0.27*"]
    assert built[:3] == [
        ["", "map"], ["descriptor", "points", "track length", "reprojection error (px)"],
        ["trained", "1000", "3.25", DASH],
    ]  # fmt: skip
    assert day[5][5] == MINUS + "0.005"
    assert night == [
        ["", "night queries"], ["descriptor", "localized (%)"],
        ["trained", "50.0"], ["untrained", "50.0"], ["sift", "50.0"], [f"trained {MINUS} untrained", "+0.0"],
    ]  # fmt: skip
    assert "Numbers of a <toy>." in page.text
    assert "protocol of retrieval" in page.text
    assert "trained: 1 failed" in page.text and "sift: 3 failed" in page.text


def test_html_is_self_contained(all_results, outputs) -> None:
    write_tables(*all_results, **outputs)
    text = outputs["html"].read_text()
    assert Page(text).links == []
    assert "url(" not in text and "@import" not in text and 'note">' not in text


def test_csv_has_a_line_for_each_figure(all_results, outputs) -> None:
    write_tables(*all_results, **outputs)
    with open(outputs["table"], newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * (12 + 12 + 9 + 6 + 8 + 3)
    values = {(r["benchmark"], r["descriptor"], r["group"], r["figure"]): r["value"] for r in rows}
    assert len(values) == len(rows)
    assert values["my_hpatches", "sift", "MMA@3 px", "avg"] == "0.198"
    assert values["my_retrieval", "trained", "mAP re-ranked (%)", "Medium"] == "70.00"
    assert values["my_retrieval", "trained", "mAP re-ranked (%)", "Hard"] == ""


def test_summary_has_a_line_for_each_figure(all_results, outputs) -> None:
    write_tables(*all_results, **outputs, note="A note.")
    lines = outputs["summary"].read_text().splitlines()
    assert lines[0] == "A note."
    assert "my_hpatches (protocol of hpatches)" in lines
    (line,) = [line for line in lines if line.startswith("MMA@3 px avg")]
    assert line.split()[3:] == ["0.180", "0.144", "0.198*", "+0.036"]
    assert max(map(len, lines)) < 100


def test_summary_of_many_descriptors_continues_below(write_result, outputs) -> None:
    names = [f"descriptor-{number}" for number in range(14)]
    write_tables([write_result("hpatches", name, 0.5) for name in names], ["h"] * 14, names, **outputs)
    lines = outputs["summary"].read_text().splitlines()
    assert 100 < max(map(len, lines)) <= 130
    heads = [line.split() for line in lines if line.lstrip().startswith("descriptor")]
    assert len(heads) > 1 and [name for head in heads for name in head] == names
    rows = [line.split()[3:] for line in lines if line.startswith("MMA@3 px avg")]
    assert [len(row) for row in rows] == [len(head) for head in heads]
    assert {value for row in rows for value in row} == {"0.090"}


def test_no_difference_without_both_and_no_bold_for_one(write_result, outputs) -> None:
    write_tables([write_result("hpatches")], ["h"], ["trained"], **outputs)
    page = Page(outputs["html"].read_text())
    assert [row[0] for row in page.tables[0][2:]] == ["trained"]
    assert "*" not in "".join(page.tables[0][2])


def test_equal_values_are_not_bold_and_what_is_bold_is_decided_as_shown(write_result, outputs) -> None:
    results = [write_result("hpatches", "a", 1.0), write_result("hpatches", "b", 1.0001)]
    write_tables(results, ["h", "h"], ["a", "b"], **outputs)
    rows = Page(outputs["html"].read_text()).tables[0][2:]
    assert rows[0][1:] == rows[1][1:] and "*" not in "".join(rows[0])


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("hpatches", ("figures", "estimators", "ransac", "homography_accuracy", "3", "i")),
        ("retrieval", ("figures_before", "mAP", "hard")),
        ("localization", ("figures", "day", "median_rotation_error")),
        ("localization", ("failures",)),
        ("hpatches", ("protocol",)),
        ("hpatches", ("kind",)),
    ],
)
def test_a_missing_figure_names_file_and_key(write_result, outputs, kind: str, keys: tuple) -> None:
    def remove(record: dict) -> None:
        for key in keys[:-1]:
            record = record[key]
        del record[keys[-1]]

    path = write_result(kind, "cut", change=remove)
    with pytest.raises(HndescError) as error:
        write_tables([path], ["x"], ["trained"], **outputs)
    assert str(path) in str(error.value)
    assert ".".join(keys) in str(error.value)
    assert not any(output.exists() for output in outputs.values())


def test_every_estimator_is_named_and_a_set_without_classes_has_its_means_over_all(write_result, outputs) -> None:
    def change(record: dict) -> None:
        figures = record["figures"]
        for means in (*figures["mma"].values(), *figures["homography_accuracy"].values()):
            means |= {kind: None for kind in ("v", "i", "avg") if kind in means}
        figures["estimators"]["poselib"] = figures["estimators"]["ransac"]
        figures["matching_score"] = {"v": None, "i": None, "all": 0.5}

    write_tables([write_result("hpatches", change=change)], ["h"], ["a"], **outputs)
    accuracy, ransac, _, poselib, _, score = Page(outputs["html"].read_text()).tables
    assert accuracy[1:] == [["descriptor", *["all"] * 3], ["a", "0.061", "0.183", "0.305"]]
    assert ransac[1:] == poselib[1:] == [["descriptor", *["all"] * 4], ["a", *["0.610"] * 4]]
    assert poselib[0][1] == "Homography accuracy@1 px (PoseLib)"
    assert score == [["", "Matching score@3 px"], ["descriptor", "all"], ["a", "0.500"]]


def test_scenes_that_are_skipped_are_named(write_result, outputs) -> None:
    path = write_result("hpatches", change=lambda record: record.update(left_out=["i_dc", "v_talent"]))
    write_tables([path], ["h"], ["a"], **outputs)
    assert "Excluded as very large: i_dc, v_talent." in outputs["summary"].read_text()


def test_other_bad_input(write_result, outputs, tmp_path: Path) -> None:
    good = write_result("hpatches")
    with pytest.raises(HndescError, match="no results"):
        write_tables([], [], [], **outputs)
    with pytest.raises(HndescError, match="more than one result"):
        write_tables([good, good], ["h", "h"], ["a", "a"], **outputs)
    with pytest.raises(HndescError, match="a retrieval result among hpatches results of h"):
        write_tables([good, write_result("retrieval")], ["h", "h"], ["a", "b"], **outputs)
    text = write_result("hpatches", "text", change=lambda r: r["figures"]["mma"]["1"].update(v="high"))
    with pytest.raises(HndescError, match=r"hpatches_text\.json: 'figures\.mma\.1\.v' must be a number, not 'high'"):
        write_tables([text], ["h"], ["a"], **outputs)
    with pytest.raises(HndescError, match=r"gone\.json: no such file"):
        write_tables([tmp_path / "gone.json"], ["h"], ["a"], **outputs)
    other = write_result("hpatches", "kind", change=lambda r: r.update(kind="chess"))
    with pytest.raises(HndescError, match="no table for a benchmark of kind 'chess'"):
        write_tables([other], ["h"], ["a"], **outputs)


def test_a_null_is_shown_as_a_dash_not_as_zero(write_result, outputs) -> None:
    path = write_result("hpatches", change=lambda r: r["figures"]["mma"]["1"].update(i=None))
    write_tables([path], ["h"], ["a"], **outputs)
    assert Page(outputs["html"].read_text()).tables[0][2][2] == DASH
    assert json.loads(path.read_text())["figures"]["mma"]["1"]["i"] is None
    assert not math.isnan(float(Page(outputs["html"].read_text()).tables[0][2][1]))
