"""The schema of the config knows each method's settings, and no other ones."""

import inspect
from pathlib import Path

import jsonschema
import pytest
import yaml

from hndesc.stylization import METHODS, MIXED
from hndesc.stylization.step import stylize_photos

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "config" / "schema.yaml").read_text(encoding="utf-8"))
SECTION = SCHEMA["properties"]["stylization"]
# Of the step, not of a method; inputs, the seed and what the workflow fills in aside.
COMMON = set(inspect.signature(stylize_photos).parameters) - {
    *("photos", "styles", "output", "seed", "methods", "threads", "part", "settings")
}


def valid(section: dict) -> bool:
    schema = {**SECTION, "$defs": SCHEMA["$defs"]}
    return jsonschema.Draft202012Validator(schema).is_valid(section)


def settings_of(method: str) -> set[str]:
    return set(list(inspect.signature(METHODS.load(method)).parameters)[3:])


def test_every_method_can_be_chosen() -> None:
    assert set(SECTION["properties"]["method"]["enum"]) == {*METHODS.places, MIXED}
    assert set(SECTION["properties"]["methods"]["properties"]) == set(METHODS.places)


@pytest.mark.parametrize("method", METHODS.places)
def test_settings_of_a_method(method: str) -> None:
    known = settings_of(method)
    assert set(SCHEMA["$defs"][method]["properties"]) == known | {"weight"}
    (names,) = [one["then"] for one in SECTION["allOf"] if one["if"]["properties"]["method"]["const"] == method]
    assert set(names["propertyNames"]["enum"]) == known | COMMON | {"shards"}


def test_examples() -> None:
    assert valid({"method": "relighting", "noise": 0.5, "copies": 3, "shards": 2, "classes": ["night"]})
    assert not valid({"method": "relighting", "gain": [0.5, 2]})
    assert not valid({"method": "wct2"})
    assert valid({"method": "wct2", "weights": "somewhere", "at": ["skip"]})
    assert not valid({"method": MIXED})
    assert valid({"method": MIXED, "methods": {"relighting": None, "local": {"place": 1, "weight": 2}}})
    assert not valid({"method": MIXED, "strength": 0.5, "methods": {"local": {}}})
    assert not valid({"method": MIXED, "methods": {"local": {"strength": 2}}})
