"""Figures of stylized photos."""

from pathlib import Path

import matplotlib.axes
import numpy as np
import pandas as pd
import pytest

from hndesc.errors import HndescError
from hndesc.io.files import read_json, write_json
from hndesc.io.images import read_image, write_image
from hndesc.stylization.stylize import stylize_photos
from hndesc.visualization.stylization_figures import choose_rows, measure_lines, plot_stylization

RED, BLUE = (200, 30, 30), (20, 40, 180)


def plain(color: tuple) -> np.ndarray:
    return np.full((30, 40, 3), color, np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    photos, styles, stylized = tmp_path / "photos", tmp_path / "styles", tmp_path / "stylized"
    for index in range(5):
        write_image(photos / f"p{index}.png", plain(RED))
    write_image(styles / "night" / "n.png", plain(BLUE))
    stylize_photos(photos, styles, stylized)
    return photos, styles, stylized


def test_shows_photo_style_and_copy(folders: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, titles = [], []
    imshow, set_title = matplotlib.axes.Axes.imshow, matplotlib.axes.Axes.set_title
    monkeypatch.setattr(matplotlib.axes.Axes, "imshow", lambda a, im: (shown.append(im), imshow(a, im))[1])
    monkeypatch.setattr(matplotlib.axes.Axes, "set_title", lambda a, t, **k: (titles.append(t), set_title(a, t, **k)))
    output = tmp_path / "sheet.png"
    plot_stylization(*folders, output, count=3)
    assert len(shown) == 9
    for photo, style, copy in (shown[start : start + 3] for start in (0, 3, 6)):
        assert (photo == RED).all()
        assert (style == BLUE).all()
        assert np.abs(copy.astype(int) - BLUE).max() < 8  # a plain photo takes the style's mean color
    assert titles[1:3] == ["style: n.png (night)", "monge_kantorovich"]
    assert titles[0].startswith("photo: p")
    pixels = read_image(output).reshape(-1, 3)
    assert (pixels == RED).all(axis=1).sum() > 1000


def test_a_copy_made_without_a_style_photo_stands_beside_its_class(
    folders: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = []
    text = matplotlib.axes.Axes.text
    monkeypatch.setattr(
        matplotlib.axes.Axes, "text", lambda a, x, y, s, **k: (words.append(s), text(a, x, y, s, **k))[1]
    )
    stylize_photos(folders[0], None, tmp_path / "relit", method="relighting", classes=["dusk"])
    plot_stylization(folders[0], None, tmp_path / "relit", tmp_path / "sheet.png")
    assert words.count("dusk") == 5
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_measures_stand_below(folders: tuple, tmp_path: Path) -> None:
    figures = {"copies": 3, "edge_similarity": 0.9123, "repeatability": 0.75}
    write_json(tmp_path / "m.json", {"methods": {"local": figures | {"classes": {"dusk": figures | {"copies": 2}}}}})
    lines = measure_lines(read_json(tmp_path / "m.json"))
    assert [line.split() for line in lines[1:]] == [["local", "3", "0.912", "0.750"], ["dusk", "2", "0.912", "0.750"]]
    plot_stylization(*folders, tmp_path / "without.png")
    plot_stylization(*folders, tmp_path / "with.png", tmp_path / "m.json")
    without, measured = (read_image(tmp_path / f"{name}.png") for name in ("without", "with"))
    assert measured.shape[0] > without.shape[0]


def test_more_than_there_are_shows_all(folders: tuple, tmp_path: Path) -> None:
    plot_stylization(*folders, tmp_path / "sheet.png", count=99)
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_rows_are_spread_over_the_classes() -> None:
    table = pd.DataFrame({"photo": [str(i) for i in range(12)], "class": ["day"] * 9 + ["fog"] * 2 + ["night"]})
    first = choose_rows(table, 3)
    assert sorted(first["class"]) == ["day", "fog", "night"]
    chosen = choose_rows(table, 6)
    assert chosen["class"].value_counts().to_dict() == {"day": 3, "fog": 2, "night": 1}
    days = sorted(int(photo) for photo in chosen["photo"][chosen["class"] == "day"])
    assert np.diff(days).min() >= 2  # not next to each other in the list
    assert choose_rows(table, 6).equals(chosen)


def test_errors(folders: tuple, tmp_path: Path) -> None:
    photos, styles, stylized = folders
    output = tmp_path / "sheet.png"
    with pytest.raises(HndescError, match=r"stylized\.tsv: no such file"):
        plot_stylization(photos, styles, tmp_path, output)
    with pytest.raises(HndescError, match="no stylized photo to show"):
        plot_stylization(photos, styles, stylized, output, count=0)
    (stylized / "p0.jpg").unlink()
    with pytest.raises(HndescError, match=r"p0\.jpg: no such image"):
        plot_stylization(photos, styles, stylized, output, count=9)
    (stylized / "stylized.tsv").write_text("photo\tcopy\n")
    with pytest.raises(HndescError, match=r"stylized.tsv: not a table of the columns photo, copy, style"):
        plot_stylization(photos, styles, stylized, output)
    assert not output.exists()
