"""Sections of settings: what they take, and one line that says what is wrong."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from hndesc.errors import HndescError
from hndesc.runtime.settings import (
    Count,
    Distinct,
    Name,
    Number,
    Settings,
    Share,
    one_of,
    read_settings,
    suggest,
    wrong_key,
)


class Round(Settings):
    shape: Literal["round"]
    radius: Count = 1


class Square(Settings):
    shape: Literal["square"]
    side: Share = 0.5


class Box(Settings):
    name: Name = "box"
    color: Annotated[str, *one_of("red", "green", "blue")] = "red"
    shapes: list[Annotated[Round | Square, Field(discriminator="shape")]] = Field([])
    sizes: dict[Name, Number] = Field({})
    tags: Annotated[list[str], *Distinct] | None = None
    flag: bool = False


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": "red"}, "key 'colour' is unknown; did you mean 'color'?; known here: name, color, shapes, sizes, "),
        ({"color": "gren"}, "key 'color' is 'gren'; did you mean 'green'?; choose one of: red, green, blue"),
        ({"color": 3}, "key 'color' must be a valid string, not 3"),
        (
            {"shapes": [{"shape": "rund"}]},
            "key 'shapes[0].shape' is 'rund'; did you mean 'round'?; choose one of: ",
        ),
        ({"shapes": [{}]}, "key 'shapes[0].shape' must be given"),
        ({"shapes": [{"shape": "round", "side": 1}]}, "key 'shapes[0].side' is unknown; known here: shape, radius"),
        ({"shapes": [{"shape": "square", "side": 2}]}, "key 'shapes[0].side' must be less than or equal to 1, not 2"),
        ({"shapes": {"shape": "round"}}, "key 'shapes' must be a valid list, not {'shape': 'round'}"),
        ({"sizes": {"a": "big"}}, "key 'sizes.a' must be a valid number, not 'big'"),
        ({"sizes": {"a": float("inf")}}, "key 'sizes.a' must be a finite number, not inf"),
        ({"sizes": {"a b": 1}}, "key 'sizes.a b' is 'a b'; a name has letters, digits, - and _ only"),
        ({"tags": ["x", "x"]}, "key 'tags' names something twice"),
        ({"tags": []}, "key 'tags' must have at least 1 item"),
        ({"flag": 1}, "key 'flag' must be a valid boolean, not 1"),
        ({"name": True}, "key 'name' must be a valid string, not True; YAML reads on, off, yes and no so: put quotes"),
        ({"name": "x" * 500 + "/"}, "a name has letters, digits, - and _ only"),
        ([], "key 'at the top' must be a section of settings, not []"),
        (None, "key 'at the top' must be a section of settings, not nothing"),
    ],
)
def test_what_is_wrong_is_one_line(values: Any, message: str) -> None:
    with pytest.raises(HndescError) as wrong:
        read_settings(Box, values, "key")
    assert message in str(wrong.value) and "\n" not in str(wrong.value)


def test_what_is_skipped_has_its_default_and_numbers_may_be_text() -> None:
    box = read_settings(Box, {"sizes": {"a": "1e-4", "b": 2}, "shapes": [{"shape": "round"}]})
    assert box.sizes == {"a": 1e-4, "b": 2.0} and box.shapes[0].radius == 1 and box.name == "box"
    assert box.model_dump(exclude_unset=True) == {"sizes": box.sizes, "shapes": [{"shape": "round"}]}
    assert read_settings(Box, box) == box


def test_a_section_says_itself_what_does_not_go_together() -> None:
    assert wrong_key("a.b", "is {odd}").context == {"key": "a.b", "message": "is {odd}"}
    assert suggest("stesp", ["steps", "share"]) == "; did you mean 'steps'?" and suggest("x", ["steps"]) == ""
