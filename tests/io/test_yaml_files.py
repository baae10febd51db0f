"""YAML and JSON of people: a key that is there twice is refused, since every parser silently takes the last one."""

from typing import Any

import pytest

from hndesc.errors import HndescError
from hndesc.io.yaml_files import parse_yaml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "the key 'a' is in lines 1 and 3; take one out"),
        ('a: 1\n"a": 2', "the key 'a' is in lines 1 and 2"),
        ("x:\n  b: 1\n  c: 2\n  b: 3", "the key 'b' is in lines 2 and 4"),
        ("- {x: 1}\n- {x: 1, x: 2}", "the key 'x' is in lines 2 and 2"),
        ("yes: 1\ntrue: 2", "the key 'True' is in lines 1 and 2"),
        ('{"a": 1,\n\t"a": 2}', "the key 'a' is there twice"),
        ("a: [", "not YAML"),
        ("a: \0", "not YAML"),
        ("{[1, 2]: 3}", "not YAML"),
        ("a: !!python/name:os.system", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("x: 2020-13-45", "not YAML"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(HndescError) as wrong:
        parse_yaml(text, "my.yaml")
    assert str(wrong.value).startswith(f"my.yaml: {message}") and "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", None),
        ("a: {b: 1}\nc: {b: 1}", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("a: {<<: [{b: 1}, {b: 2}]}", {"a": {"b": 1}}),
        ('{"a": 1,\n\t"b": 2}', {"a": 1, "b": 2}),
    ],
)
def test_the_rest_is_read_as_ever(text: str, values: Any) -> None:
    assert parse_yaml(text, "my.yaml") == values
