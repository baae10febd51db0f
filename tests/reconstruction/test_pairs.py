"""Pairs of photos: all of a few, of many those that follow or look alike."""

from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError
from hndesc.io.images import write_image
from hndesc.io.lists import read_pairs
from hndesc.reconstruction.pairs import Pairing, pair_photos

COLORS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (195, 45, 40), (45, 195, 40), (40, 45, 195))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six flat photos; each looks like the one that is three numbers away."""
    for number, color in enumerate(COLORS):
        write_image(tmp_path / "photos" / f"{number}.png", np.full((64, 64, 3), color, np.uint8))
    return tmp_path / "photos"


def pairs(photos: Path, output: Path, **settings) -> list[tuple[str, str]]:
    pair_photos(list_images(photos), output, descriptor="color_gradient", **settings)
    return [(first[0], second[0]) for first, second in read_pairs(output)]


def test_few_photos_are_all_in_pairs(photos: Path, tmp_path: Path) -> None:
    found = pairs(photos, tmp_path / "pairs.txt")
    assert len(found) == 15 and len({frozenset(pair) for pair in found}) == 15


def test_many_photos_are_paired_with_those_that_follow_and_look_alike(photos: Path, tmp_path: Path) -> None:
    found = pairs(photos, tmp_path / "pairs.txt", exhaustive=5, similar=1, sequential=1)
    following = [(str(n), str(n + 1)) for n in range(5)]
    assert found[:5] == following
    assert {frozenset(pair) for pair in found[5:]} == {frozenset({str(n), str(n + 3)}) for n in range(3)}
    assert len(found) == 8
    assert pairs(photos, tmp_path / "pairs.txt", exhaustive=5, similar=0, sequential=1) == following


def test_settings_without_pairs_are_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="0 similar and 0 sequential photos give no pairs"):
        pairs(photos, tmp_path / "pairs.txt", exhaustive=2, similar=0, sequential=0)


def test_names_that_no_list_can_hold_are_refused_in_advance() -> None:
    with pytest.raises(HndescError, match=r"the name '#1\.jpg' cannot be written to a list"):
        Pairing().check(["0.jpg", "#1.jpg"], "photos")
