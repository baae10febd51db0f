"""The nearest known name, if one is near."""

import pytest

from hndesc.runtime.spelling import suggest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hndesc_lite", "; did you mean 'hndesc-lite'?"),
        ("hndesc-r2d2-fre", "; did you mean 'hndesc-r2d2-free'?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_the_nearest_name(name: str, expected: str) -> None:
    assert suggest(name, ["hndesc-lite", "hndesc-r2d2", "hndesc-r2d2-free"]) == expected
