"""Queries with their first images: which are shown, and how they are framed."""

import json
import pickle
from pathlib import Path

import matplotlib.axes
import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.images import read_image, write_image
from hndesc.visualization.retrieval_figures import choose_queries, plot_retrieval, short

TOP = {
    "p": {"before": [["a", "wrong"], ["b", "correct"]], "after": [["b", "correct"], ["a", "wrong"]]},
    "q": {"before": [["a", "wrong"], ["c", "wrong"]], "after": [["b", "correct"], ["distractors/d.jpg", "wrong"]]},
    "r": {"before": [["b", "correct"]], "after": [["c", "ignored"]]},
}


@pytest.fixture
def places(tmp_path: Path) -> Path:
    root = tmp_path / "places"
    truth = {"imlist": list("abc"), "qimlist": list("pqr")}
    truth["gnd"] = [{"bbx": [0, 0, 30, 20], "easy": [1], "hard": [], "junk": [2]}] * 3
    for name in "abcpqr":
        write_image(root / "jpg" / f"{name}.jpg", np.full((40, 60, 3), 100, np.uint8))
    (root / "gnd_places.pkl").write_bytes(pickle.dumps(truth))
    write_image(tmp_path / "others" / "d.jpg", np.full((40, 60, 3), 100, np.uint8))
    (tmp_path / "result.json").write_text(json.dumps({"kind": "retrieval", "top": TOP}))
    return root


def test_the_queries_that_gain_most_and_least_are_shown() -> None:
    assert choose_queries(TOP) == ["q", "r"]
    assert choose_queries({"p": TOP["p"]}) == ["p"] and choose_queries({}) == []


def test_correct_images_are_framed_green_wrong_ones_red(places: Path, tmp_path: Path, monkeypatch) -> None:
    titles = []
    set_title = matplotlib.axes.Axes.set_title
    monkeypatch.setattr(
        matplotlib.axes.Axes, "set_title", lambda axes, text, **k: titles.append(text) or set_title(axes, text, **k)
    )
    arguments = tmp_path / "result.json", tmp_path / "drawn.png", "retrieval", "mine"
    plot_retrieval(places, *arguments, distractors=tmp_path / "others")
    assert titles == [
        "query q",
        *("before, 1: wrong\na", "before, 2: wrong\nc", "after, 1: correct\nb", "after, 2: wrong\nd.jpg"),
        *("query r", "before, 1: correct\nb", "after, 1: ignored\nc"),
    ]
    image = read_image(tmp_path / "drawn.png").astype(int)
    for color in ((0x00, 0xD8, 0x70), (0xE4, 0x00, 0x2B), (0x8C, 0x8C, 0x8C)):
        assert (np.abs(image - color) < 4).all(axis=2).sum() > 500


def test_an_image_that_cannot_be_read_is_left_out(places: Path, tmp_path: Path) -> None:
    (places / "jpg" / "b.jpg").write_bytes(b"no image")
    plot_retrieval(places, tmp_path / "result.json", tmp_path / "d.png", "retrieval", "mine", tmp_path / "others")
    assert (tmp_path / "d.png").is_file()


def test_a_result_without_rankings_is_named(places: Path, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"kind": "retrieval"}')
    with pytest.raises(HndescError, match=r"result\.json: no key 'top'"):
        plot_retrieval(places, tmp_path / "result.json", tmp_path / "d.png", "retrieval", "mine")
    (tmp_path / "result.json").write_text('{"kind": "retrieval", "top": {}}')
    with pytest.raises(HndescError, match="no query to show"):
        plot_retrieval(places, tmp_path / "result.json", tmp_path / "d.png", "retrieval", "mine")


def test_long_names_keep_their_end() -> None:
    assert (
        short("a/b/name.jpg") == "name.jpg" and short("x" * 30 + "end") == "\N{HORIZONTAL ELLIPSIS}" + "x" * 22 + "end"
    )
