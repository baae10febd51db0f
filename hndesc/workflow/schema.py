"""The JSON schema and the reference page of the configuration, made by `python -m hndesc.workflow.schema`."""

import html
import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from hndesc.io.files import write_text
from hndesc.runtime.settings import LARGEST, Settings
from hndesc.workflow.config import Config

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).with_suffix(".json")
PAGE = ROOT / "docs" / "configuration.md"
_HEAD = """# Configuration

All keys of `config/config.yaml` and of the files that are laid over it (`--configfile mine.yaml`). This page and
`hndesc/workflow/schema.json` are made from the package's models by `python -m hndesc.workflow.schema`. An unknown key,
or a value out of its bounds, ends a run before anything else happens, in one line that names the key.
"""


def schema() -> str:
    """Return the JSON schema of the configuration."""
    return (
        json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}, indent=1)
        + "\n"
    )


def page() -> str:
    """Return the reference page: a table for each section."""
    return "\n".join([_HEAD, *(_table(key, section) for key, section in _sections())])


def _sections() -> Iterator[tuple[str, type[Settings]]]:
    """Yield each section with the key that it is first found at, outer ones first."""
    known: set[type] = set()
    waiting: list[tuple[str, type[Settings]]] = [("", Config)]
    while waiting:
        key, section = waiting.pop(0)
        if section in known:
            continue
        known.add(section)
        yield key, section
        for name, field in section.model_fields.items():
            inner = list(_inside(field.annotation))
            place = f"{key}.{name}" if key else name
            waiting += [(place + _alternative(one) * (len(inner) > 1), one) for one in inner]


def _alternative(section: type[Settings]) -> str:
    """Return the key that distinguishes a section from its alternatives."""
    for name, field in section.model_fields.items():
        if typing.get_origin(field.annotation) is typing.Literal:
            return f" ({name}: {typing.get_args(field.annotation)[0]})"
    return ""


def _inside(annotation: Any) -> Iterator[type[Settings]]:
    """Yield the sections that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _inside(argument)


def _table(key: str, section: type[Settings]) -> str:
    lines = [
        f"## {f'`{key}`' if key else 'Top level'}",
        "",
        html.escape((section.__doc__ or "").partition("\n")[0], quote=False),
        "",
    ]
    lines += ["| key | type | default | bounds | |", "|---|---|---|---|---|"]
    definition = section.model_json_schema()
    for name, field in section.model_fields.items():
        schema_of = definition["properties"][name]
        cells = (
            f"`{name}`",
            _type(field.annotation),
            _default(field),
            _bounds(schema_of),
            _words(field.description or ""),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _words(text: str) -> str:
    return html.escape(text, quote=False)


_TYPES = {int: "integer", float: "number", str: "text", bool: "true or false", dict: "section", type(None): "null"}


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_type, arguments)))
    if origin is typing.Literal:
        return "text"
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, Settings)):
        return "section"
    return _TYPES[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Settings):
        return "its defaults"
    return f"`{json.dumps(value)}`"


def _bounds(schema_of: dict[str, Any]) -> str:
    """Return the bounds and choices of a value, or of what may stand in a list, as words."""
    found: list[str] = []
    for one in (schema_of, *schema_of.get("anyOf", ())):
        for key, words in _WORDS.items():
            if key in one and one[key] < LARGEST:
                found.append(f"{words} {one[key]:g}")
        if "enum" in one or "const" in one:
            found.append(", ".join(f"`{value}`" for value in one.get("enum", [one.get("const")])))
        if isinstance(one.get("items"), dict) and (items := _bounds(one["items"])):
            found.append(f"each {items}")
    return "; ".join(dict.fromkeys(found))


_WORDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<", "minItems": "items ≥"}


if __name__ == "__main__":
    write_text(SCHEMA, schema())
    write_text(PAGE, page())
