"""The draw of styles: stable, fair to classes, and not stopped by a broken photo."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.images import write_image
from hndesc.stylization.styles import FLAT, Styles, class_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("dusk/a.jpg", "night/b.jpg", "night/c.jpg", "night/d.jpg", "snow/e.png"):
        write_image(tmp_path / name, np.full((8, 8, 3), 90, np.uint8))
    return tmp_path


def test_draw_depends_on_seed_and_name_only(folder: Path) -> None:
    names = [f"photo{index}.jpg" for index in range(40)]
    first = Styles(folder, 1)
    drawn = {name: first.draw(name) for name in names}
    second = Styles(folder, 1)
    assert {name: second.draw(name) for name in reversed(names)} == drawn
    other = Styles(folder, 2)
    assert {name: other.draw(name) for name in names} != drawn


def test_classes_are_equally_frequent_whatever_their_size(folder: Path) -> None:
    styles = Styles(folder)
    drawn = Counter(styles.draw(str(index)) for index in range(900))
    classes = Counter()
    for name, count in drawn.items():
        classes[class_of(name)] += count
    assert set(drawn) == {"dusk/a.jpg", "night/b.jpg", "night/c.jpg", "night/d.jpg", "snow/e.png"}
    assert all(240 < count < 360 for count in classes.values())


def test_class_is_the_first_folder() -> None:
    assert class_of("night/lamps/x.jpg") == "night"
    assert class_of("x.jpg") == FLAT


def test_broken_style_is_skipped_with_one_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "dusk" / "a.jpg").write_bytes(b"no picture")
    styles = Styles(folder)
    with caplog.at_level(logging.WARNING):
        drawn = {styles.draw(str(index)) for index in range(100)}
    assert drawn == {"night/b.jpg", "night/c.jpg", "night/d.jpg", "snow/e.png"}
    assert [record.getMessage().count("a.jpg") for record in caplog.records] == [1]


def test_a_broken_style_does_not_change_the_others_draws(folder: Path) -> None:
    names = [str(index) for index in range(60)]
    before = {name: Styles(folder).draw(name) for name in names}
    (folder / "night" / "c.jpg").write_bytes(b"no picture")
    after = {name: Styles(folder).draw(name) for name in names}
    assert {n: s for n, s in after.items() if before[n] != "night/c.jpg"} == {
        n: s for n, s in before.items() if s != "night/c.jpg"
    }


def test_no_style_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(HndescError, match="none of its style photos"):
        Styles(tmp_path).draw("x")


def test_large_styles_are_shrunk(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", np.zeros((600, 1200, 3), np.uint8))
    assert Styles(tmp_path).read("a.jpg").shape == (256, 512, 3)
