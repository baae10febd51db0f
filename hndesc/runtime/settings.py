"""Sections of settings: pydantic models, with one-line errors that name the key, what is known and what was meant."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hndesc.errors import LARGEST, HndescError, printable
from hndesc.runtime.spelling import suggest


class Settings(BaseModel):
    """A section of settings: no other keys than its fields, no conversions, no infinite numbers, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _know_all_keys(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    raise unknown_key(key, cls.model_fields)
        return values


Section = TypeVar("Section", bound=Settings)


def unknown_key(key: Any, known: Iterable[str]) -> PydanticCustomError:
    """Return the error for a key that a section does not have."""
    known = list(known)
    return PydanticCustomError(
        "unknown_key",
        "is unknown{meant}; known here: {known}",
        {"key": quoted(str(key)), "meant": suggest(str(key), known), "known": ", ".join(known) or "nothing"},
    )


def wrong_key(key: str, message: str) -> PydanticCustomError:
    """Return the error of a section's own check for the value of one of its keys, or of one below it."""
    return PydanticCustomError("wrong_key", "{message}", {"key": key, "message": message})


def one_of(*names: str) -> tuple[Any, ...]:
    """Return what `Annotated[str, *one_of(...)]` needs to be one of `names`."""

    def check(value: str) -> str:
        if value not in names:
            context = {"value": quoted(value), "meant": suggest(value, names), "known": ", ".join(names)}
            raise PydanticCustomError("choice", "is '{value}'{meant}; choose one of: {known}", context)
        return value

    return AfterValidator(check), WithJsonSchema({"type": "string", "enum": list(names)})


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(map(repr, values))) < len(values):
        raise PydanticCustomError("distinct", "names something twice")
    return values


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        text = "is '{name}'; a name has letters, digits, - and _ only, and at most 64 of them"
        raise PydanticCustomError("name", text, {"name": quoted(value)})
    return value


def quoted(value: str) -> str:
    """Return a value for a message: shortened, with unprintable characters escaped."""
    text = printable(value)
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 3]}..."


_QUOTED = 60
_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
# Becomes a file name.
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})]
Distinct = (AfterValidator(_distinct), Field(min_length=1, json_schema_extra={"uniqueItems": True}))


def _number(value: Any) -> Any:
    """Convert numbers such as 1e-4, which YAML reads as text for want of a point."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


@dataclass(frozen=True)
class PathOf:
    """Marks a setting, or a list of them, as the path of a file or folder that must exist.

    Attributes:
        kind: "file" or "folder".
        other: values that are no paths.
        suffix: of what is a path, where the setting may be something else.
        for_each: whether "{benchmark}" in it stands for each benchmark's name.
    """

    kind: str
    other: tuple[str, ...] = ()
    suffix: str = ""
    for_each: bool = False


Text = Annotated[str, Field(min_length=1)]
InputFile = Annotated[Text, PathOf("file")]
InputFolder = Annotated[Text, PathOf("folder")]


def within(
    *, ge: float | None = None, gt: float | None = None, le: float | None = None, lt: float | None = None
) -> tuple[Any, ...]:
    """Return what `Annotated[float, *within(...)]` needs to be a number within bounds."""
    return Field(ge=ge, gt=gt, le=le, lt=lt), BeforeValidator(_number)


Number = Annotated[float, *within()]
Share = Annotated[float, *within(ge=0, le=1)]
LongestSide = Annotated[int, Field(ge=16, le=LARGEST)] | None
NotNegative = Annotated[float, *within(ge=0)]
Positive = Annotated[float, *within(gt=0)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Natural = Annotated[int, Field(ge=0, le=LARGEST)]
# Each is a job, which the plan of a run lists.
Shards = Annotated[int, Field(ge=1, le=10_000)]


def read_settings(kind: type[Section], values: Any, what: str = "setting") -> Section:
    """Return `values` as a section; what is left out keeps its default.

    Args:
        kind: of section.
        values: mapping, or a section that was read before.
        what: how messages call a key.

    Raises:
        HndescError: one line that names the key that is wrong, and what is known there.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise HndescError(_describe(error.errors(include_url=False), values, what)) from None
    except UnicodeEncodeError as error:  # what Rust cannot hold, in an error of ours
        raise HndescError(f"{what}s: {quoted(error.object)} is not Unicode text") from None


def _describe(errors: Sequence[Mapping[str, Any]], values: Any, what: str) -> str:
    """Return the deepest error as one line; among those of a union it is that of the section that was meant."""
    error = max(errors, key=lambda one: (len(one["loc"]), not one["type"].endswith("_type")))
    key = _key(error["loc"], values, error["type"] == "missing")
    context = error.get("ctx", {})
    if "key" in context:
        key = _join(key, context["key"])
    elif error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key = _join(key, context["discriminator"].strip("'"))
    return " ".join(f"{what} '{key or 'at the top'}' {_message(error, context)}".split())


def _message(error: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return "must be given"
    if kind == "union_tag_not_found":
        return "must be given"
    if kind == "union_tag_invalid":
        names = [name.strip("' ") for name in context["expected_tags"].split(",")]
        return f"is '{quoted(context['tag'])}'{suggest(context['tag'], names)}; choose one of: {', '.join(names)}"
    if kind in ("model_type", "dict_type"):
        return f"must be a section of settings, not {_short(value)}"
    subject, should, rest = error["msg"].partition(" should ")
    if not should:
        return error["msg"]
    said = f"must {rest.replace(' after validation', '')}"
    if value is True or value is False:
        return f"{said}, not {value}; YAML reads on, off, yes and no so: put quotes around them"
    return f"{said}, not {_short(value)}" if subject == "Input" else said


def _short(value: Any) -> str:
    return "nothing" if value is None else quoted(repr(value))


def _key(place: tuple[str | int, ...], values: Any, missing: bool) -> str:
    """Return a key in the usual notation, a.b[1].c, without the names of a union's alternatives."""
    key = ""
    for position, part in enumerate(place):
        if isinstance(values, Mapping) and part in values:
            key, values = _join(key, part), values[part]
        elif isinstance(values, list | tuple) and isinstance(part, int):
            key, values = f"{key}[{part}]", values[part]
        elif missing and position == len(place) - 1:
            key = _join(key, part)
    return key


def _join(key: str, part: str | int) -> str:
    return f"{key}.{part}" if key else str(part)
