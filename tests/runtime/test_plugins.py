"""Names for interchangeable parts."""

import sys

import pytest

from hndesc.errors import HndescError
from hndesc.runtime.plugins import Registry

PARTS = Registry("fruit", {"photo": "hndesc.datasets.image_set:ImageEntry", "none": "hndesc.nowhere:Nothing"})


def test_load_gives_what_is_registered():
    from hndesc.datasets.image_set import ImageEntry

    assert PARTS.load("photo") is ImageEntry


def test_module_is_reported_without_importing_it():
    assert PARTS.module("none") == "hndesc.nowhere"
    assert "hndesc.nowhere" not in sys.modules


def test_unknown_name_lists_the_known():
    with pytest.raises(HndescError, match="unknown fruit 'plum'; choose one of: none, photo"):
        PARTS.load("plum")


def test_build_calls_with_the_settings():
    assert PARTS.build("photo", name="a", path="b").box is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"name": "a"}, ": .*path"), ({"name": "a", "path": "b", "color": "red"}, " has no setting 'color'")],
)
def test_build_names_missing_and_unknown_settings(settings, problem):
    with pytest.raises(HndescError, match=rf"fruit 'photo'{problem}.*its settings: name, path, box"):
        PARTS.build("photo", **settings)


def test_build_lets_errors_of_the_part_through():
    with pytest.raises(TypeError, match="Rational"):
        Registry("number", {"fraction": "fractions:Fraction"}).build("fraction", numerator=[])
