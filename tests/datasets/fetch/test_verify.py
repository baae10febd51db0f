"""What is checked of Tokyo 24/7, of photos and of files; the other kinds are checked in test_registry."""

from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.fetch.verify import verify_layout
from hndesc.errors import HndescError, counted
from hndesc.io.images import write_image
from tests.fixtures.tokyo import Tokyo

KIND = {"kind": "tokyo247"}


def test_views_and_their_numbers(tokyo: Tokyo) -> None:
    root = tokyo.write()
    assert verify_layout(root, KIND) == "6 database views, 2 queries"
    assert verify_layout(root, KIND | {"database": 6, "queries": 2}) == "6 database views, 2 queries"
    with pytest.raises(HndescError, match="6 database views instead of 75984"):
        verify_layout(root, KIND | {"database": 75984})
    with pytest.raises(HndescError, match="2 queries instead of 315"):
        verify_layout(root, KIND | {"queries": 315})


def test_a_view_that_is_missing_or_broken_is_named(tokyo: Tokyo) -> None:
    root = tokyo.write()
    image = next(iter(root.rglob("00002.jpg")))
    image.write_bytes(b"no photo")
    with pytest.raises(HndescError, match=r"00002\.jpg"):
        verify_layout(root, KIND)
    image.unlink()
    with pytest.raises(HndescError, match=r"00002"):
        verify_layout(root, KIND)


@pytest.mark.parametrize(("kind", "found"), [("photos", 1), ("files", 2)])
def test_photos_and_files_are_counted_below_the_folder(tmp_path: Path, kind: str, found: int) -> None:
    write_image(tmp_path / "a" / "1.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "a" / "list.txt").touch()
    there = counted(found, kind.removesuffix("s"))
    assert verify_layout(tmp_path, {"kind": kind}) == there
    with pytest.raises(HndescError, match=f"{there} instead of at least {found + 1}"):
        verify_layout(tmp_path, {"kind": kind, "least": found + 1})
