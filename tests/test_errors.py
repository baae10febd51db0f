"""Messages of one line, and the check that counts share."""

import pickle

import numpy as np
import pytest

from hndesc.errors import HndescError, ImageError, check_count, counted


@pytest.mark.parametrize("name", ["a\nb.png", "a\rb.png", "a\udcff.png", "a\0b", "\x1b[31m", "a\u2028b"])
@pytest.mark.parametrize("kind", [HndescError, ImageError])
def test_a_message_is_one_printable_line(kind: type[HndescError], name: str) -> None:
    error = kind(f"{name}: broken")
    assert str(error).isprintable() and str(error).endswith(": broken")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_message_in_any_language_is_left() -> None:
    assert str(HndescError("données/フォト.png: kaputt")) == "données/フォト.png: kaputt"


@pytest.mark.parametrize("value", [0, -1, 2.5, 2.0, "10", True, False, float("nan"), [3], np.float32(3)])
def test_what_is_no_count(value: object) -> None:
    with pytest.raises(HndescError, match=r"resize_max is .*; expected a whole number from 1 on"):
        check_count("resize_max", value)


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "sequence", "1 sequence"),
        (0, "sequence", "0 sequences"),
        (1200, "query", "1,200 queries"),
        (2, "day", "2 days"),
        (2, "match", "2 matches"),
    ],
)
def test_a_number_agrees_with_its_noun(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text


@pytest.mark.parametrize("value", [None, 1, 10**30, np.int64(7), np.uint8(7)])
def test_what_is_a_count(value: object) -> None:
    count = check_count("resize_max", value)
    assert count == value and type(count) in (int, type(None))
