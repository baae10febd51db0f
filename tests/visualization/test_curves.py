"""Curves: what is drawn, read back from the figure and from the file."""

from pathlib import Path

import matplotlib.axes
import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.images import read_image
from hndesc.visualization.curves import plot_mma, plot_training
from hndesc.visualization.style import COLORS, line_styles

HISTORY = """step,loss,ap,validation_loss,accuracy,learning_rate,seconds
0,,,0.9,0.2,0.001,0
10,0.8,0.2,,,0.001,1.5
20,0.5,0.5,0.6,0.7,0.0005,3
"""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """All lines drawn: (axes, label, x, y)."""
    lines = []
    plot = matplotlib.axes.Axes.plot

    def record(axes, x, y, **style):
        lines.append((axes, style.get("label"), np.asarray(x, float), np.asarray(y, float)))
        return plot(axes, x, y, **style)

    monkeypatch.setattr(matplotlib.axes.Axes, "plot", record)
    return lines


def colors_in(path: Path) -> set[str]:
    red, green, blue = np.moveaxis(read_image(path).astype(int), -1, 0)
    return {f"#{code:06X}" for code in np.unique(red << 16 | green << 8 | blue)}


def test_mma_draws_one_line_a_descriptor_and_panel(write_result, tmp_path: Path, drawn: list) -> None:
    results = [write_result("hpatches", "a"), write_result("hpatches", "b", 0.5)]
    plot_mma(results, tmp_path / "mma.png", ["trained", "sift"])
    assert [(axes.get_title(), label) for axes, label, *_ in drawn[:6]] == [
        (panel, f"{label} (1,234 keypoints, 400 matches)")
        for panel in ("All pairs", "Viewpoint", "Illumination")
        for label in ("trained", "sift")
    ]
    _, _, x, y = drawn[3]
    assert x.tolist() == list(range(1, 11))
    assert np.allclose(y, 0.5 * 0.5 * x / 10)
    axes = drawn[0][0]
    assert axes.get_xlabel() == "threshold (px)"
    assert axes.get_ylabel() == "mean matching accuracy"
    assert axes.get_ylim() == (0, 1)
    assert set(COLORS[:2]) <= colors_in(tmp_path / "mma.png")
    assert COLORS[2] not in colors_in(tmp_path / "mma.png")


def test_the_area_of_the_last_estimator_is_below_where_all_results_have_it(write_result, tmp_path: Path, drawn) -> None:
    def change(record: dict) -> None:
        own = record["figures"]["estimators"]["ransac"]
        less = {t: {kind: value / 5 for kind, value in means.items()} for t, means in own["homography_auc"].items()}
        record["figures"]["estimators"]["magsac"] = {**own, "homography_auc": less}

    plot_mma([write_result("hpatches", "a", change=change)], tmp_path / "mma.png")
    assert len(drawn) == 6
    axes, _, x, y = drawn[4]  # viewpoint
    assert axes.get_title() == "Viewpoint" and x.tolist() == [3, 5, 10] and np.allclose(y, 0.05)
    assert drawn[3][0].get_ylabel() == "homography AUC (MAGSAC++)"
    drawn.clear()
    results = [write_result("hpatches", "a", change=change), write_result("hpatches", "b")]
    plot_mma(results, tmp_path / "mma.png")
    assert drawn[6][0].get_ylabel() == "homography AUC (RANSAC)" and np.allclose(drawn[8][3], 0.25)
    drawn.clear()
    plot_mma([write_result("hpatches", change=lambda r: r["figures"].update(estimators={}))], tmp_path / "mma.png")
    assert len(drawn) == 3


def test_precision_over_recall_is_below_where_all_results_have_it(write_result, tmp_path: Path, drawn: list) -> None:
    def change(record: dict) -> None:
        levels = [round(0.1 * tenth, 1) for tenth in range(1, 10)]
        record["figures"]["precision_at_recall"] = {str(t): {"v": 1 - t, "i": None, "all": 0.5} for t in levels}

    results = [write_result("hpatches", "a", change=change), write_result("hpatches", "b", 0.5, change=change)]
    plot_mma(results, tmp_path / "both.png", ["trained", "sift"])
    assert len(drawn) == 18
    axes, _, x, y = drawn[8]  # viewpoint, the first descriptor
    assert (axes.get_xlabel(), axes.get_title()) == ("recall", "Viewpoint")
    assert np.allclose(x, np.arange(1, 10) / 10) and np.allclose(y, 1 - x)
    drawn.clear()
    plot_mma([results[0], write_result("hpatches", "c")], tmp_path / "one.png", ["trained", "old"])
    assert len(drawn) == 12 and {axes.get_xlabel() for axes, *_ in drawn} == {"threshold (px)"}


def test_one_descriptor_at_several_keypoints_has_one_color(write_result, tmp_path: Path, monkeypatch) -> None:
    styles = []
    plot = matplotlib.axes.Axes.plot
    monkeypatch.setattr(matplotlib.axes.Axes, "plot", lambda *a, **style: styles.append(style) or plot(*a, **style))
    described = [
        {"name": "disk", "weights": "1"},
        {"name": "disk", "weights": "2"},
        {"name": "disk", "weights": "1"},
        None,
    ]
    results = [
        write_result("hpatches", str(row), change=lambda record, one=one: record["features"].update(descriptor=one))
        for row, one in enumerate(described)
    ]
    plot_mma(results, tmp_path / "mma.png")
    keys = ("color", "marker", "linestyle")
    assert [tuple(style[key] for key in keys) for style in styles[:4]] == [
        (COLORS[0], "o", "-"), (COLORS[1], "s", "-"), (COLORS[0], "o", "--"), (COLORS[2], "^", "-"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "kinds", [range(32), [*range(20), *range(8)], [0] * 5, [0] * 4 + [8] * 4 + [1], [*range(9), 0] * 3]
)
def test_no_two_lines_look_the_same(kinds) -> None:
    styles = [tuple(style.values()) for style in line_styles(kinds)]
    assert len(set(styles)) == len(kinds)


def test_mma_of_a_set_without_illumination_pairs(write_result, tmp_path: Path, drawn: list) -> None:
    def no_illumination(record: dict) -> None:
        for values in record["figures"]["mma"].values():
            values["i"] = values["avg"] = None

    plot_mma([write_result("hpatches", change=no_illumination)], tmp_path / "mma.png")
    assert np.isnan(drawn[2][3]).all()
    assert [text.get_text() for text in drawn[2][0].texts] == ["no such pairs"]
    assert not drawn[0][0].texts


def test_mma_as_svg_is_the_same_each_time(write_result, tmp_path: Path) -> None:
    result = write_result("hpatches")
    for name in ("a.svg", "b.svg"):
        plot_mma([result], tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_mma_errors_name_file_and_key(write_result, tmp_path: Path) -> None:
    output = tmp_path / "mma.png"
    with pytest.raises(HndescError, match="no results"):
        plot_mma([], output)
    with pytest.raises(HndescError, match="retrieval result has no matching accuracy"):
        plot_mma([write_result("retrieval")], output)
    cut = write_result("hpatches", change=lambda record: record["figures"]["mma"]["7"].pop("v"))
    with pytest.raises(HndescError, match=r"hpatches_result\.json: no key 'figures\.mma\.7\.v'"):
        plot_mma([cut], output)
    assert not output.exists()


def test_training_draws_loss_accuracy_and_learning_rate(tmp_path: Path, drawn: list) -> None:
    (tmp_path / "history.csv").write_text(HISTORY)
    plot_training(tmp_path / "history.csv", tmp_path / "training.png")
    lines = {(axes.get_title(), label): (x.tolist(), y.tolist()) for axes, label, x, y in drawn}
    assert lines == {
        ("Loss", "training"): ([10, 20], [0.8, 0.5]),
        ("Loss", "validation"): ([0, 20], [0.9, 0.6]),
        ("Validation accuracy", "validation"): ([0, 20], [0.2, 0.7]),
        ("Learning rate", ""): ([0, 10, 20], [0.001, 0.001, 0.0005]),
    }
    assert all(axes.get_xlabel() == "step" for axes, *_ in drawn)
    assert set(COLORS[:3]) <= colors_in(tmp_path / "training.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("", "not a training history"),
        ("step,loss\n1,2\n", "no column 'validation_loss'"),
        (HISTORY.splitlines()[0] + "\n", "it contains no step"),
    ],
)
def test_training_errors(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "history.csv").write_text(text)
    with pytest.raises(HndescError, match=rf"history\.csv.*{message}"):
        plot_training(tmp_path / "history.csv", tmp_path / "training.png")
    assert not (tmp_path / "training.png").exists()
