"""The files and folders that a configuration names: each must exist before anything runs, unless a rule makes it.

Snakemake alone does not check this: if a target of an older run exists, it ignores a missing input.
"""

import os
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hndesc.datasets.fetch.registry import RECEIPT
from hndesc.descriptors import check_settings, class_file, is_class
from hndesc.errors import HndescError
from hndesc.io.owned_folders import overlap
from hndesc.runtime.settings import PathOf, Settings, quoted
from hndesc.workflow.config import Config
from hndesc.workflow.sections.descriptors import DescriptorSettings

# What the workflow writes.
RESULTS = "results"


@dataclass(frozen=True)
class NamedPath:
    """A path of the configuration.

    Attributes:
        key: where it is named, as in messages.
        path: as it is written there.
        kind: "file" or "folder".
        published: name of the published file that is fetched where the key is left out.
        for_each: whether "{benchmark}" in it stands for each benchmark's name.
    """

    key: str
    path: str
    kind: str
    published: str | None = None
    for_each: bool = False


def named_paths(config: Config, checkpoints: Iterable[str] = ()) -> list[NamedPath]:
    """List the paths that a configuration names.

    Args:
        config: the whole configuration.
        checkpoints: names that stand for a checkpoint of this run where weights are expected.
    """
    known, benchmarks = set(checkpoints), [entry.name for entry in config.benchmarks]
    found = []
    for one in _walk("", config):
        paths = [one.path.replace("{benchmark}", name) for name in benchmarks] if one.for_each else [one.path]
        found += [replace(one, path=path) for path in dict.fromkeys(paths)]
    return [one for one in found if not (one.key.endswith("weights") and one.path in known)]


def _walk(key: str, section: Settings) -> Iterator[NamedPath]:
    """Yield the paths of a section and of those in it, by the marks of its fields."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        place = f"{key}: {name}" if key.endswith(")") else f"{key}.{name}" if key else name
        mark = _mark(field.annotation, field.metadata)
        for inner, one in _items(place, value):
            if isinstance(one, Settings):
                yield from _walk(inner, one)
            elif isinstance(one, str) and mark is not None and _is_path(one, mark):
                yield NamedPath(place, one, mark.kind, getattr(section, "published", None), mark.for_each)
                if mark.suffix == ".safetensors":  # a checkpoint cannot be read without its card
                    yield NamedPath(place, one.removesuffix(mark.suffix) + ".json", mark.kind)


def _items(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value holds, each with its key: items of a list by their names, sections of a mapping by theirs."""
    if isinstance(value, list):
        for one in value:
            yield (f"{key} ({one.name})" if hasattr(one, "name") else key), one
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield f"{key}.{name}", one
    else:
        yield key, value


def _mark(annotation: Any, metadata: Iterable[Any] = ()) -> PathOf | None:
    """Return the mark of a path in an annotation, of its alternatives or items, too."""
    inner = [_mark(argument, getattr(argument, "__metadata__", ())) for argument in typing.get_args(annotation)]
    return next((mark for mark in (*metadata, *inner) if isinstance(mark, PathOf)), None)


def _is_path(value: str, mark: PathOf) -> bool:
    return value not in mark.other and value.endswith(mark.suffix)


def check_paths(named: Iterable[NamedPath], registered: Mapping[str, str], is_made: Callable[[str], object]) -> None:
    """Make sure that each path exists, or that a rule makes or fetches it.

    Args:
        named: the paths.
        registered: what the registry of datasets has: its path -> its name there.
        is_made: whether a rule makes a file or folder of that path.

    Raises:
        HndescError: one line that names the key, the path and the cure.
    """
    for one in named:
        _check_form(one)
        path = os.path.normpath(one.path)
        if os.path.exists(path):
            _check_existing(one, path, registered)
        elif not is_made(path):
            cure = _cure(one, path, registered, is_made)
            raise HndescError(f"config key {one.key}: there is no {one.kind} '{quoted(one.path)}'{cure}")


def _check_form(one: NamedPath) -> None:
    """Refuse paths that Snakemake would not read as plain paths, and impossible file names."""
    if wrong := next((c for c in one.path if c in "{}" or not c.isprintable()), None):
        raise HndescError(f"config key {one.key}: {quoted(one.path)!r} holds {wrong!r}; rename the {one.kind}")


def _check_existing(one: NamedPath, path: str, registered: Mapping[str, str]) -> None:
    # A pipe or device would hang or fill the job that reads it.
    if not (os.path.isdir(path) if one.kind == "folder" else os.path.isfile(path)):
        raise HndescError(f"config key {one.key}: '{one.path}' is no {one.kind}; name a {one.kind}")
    if not os.access(path, os.R_OK):
        raise HndescError(f"config key {one.key}: no permission to read '{one.path}'; ask its owner for it")
    if one.kind == "folder" and overlap(Path(os.path.realpath(path)), Path(os.path.realpath(RESULTS))):
        raise HndescError(
            f"config key {one.key}: '{one.path}' overlaps with '{RESULTS}', which the workflow writes; choose another "
            "folder, or copy the files that are needed there"
        )
    if one.kind == "folder" and path in registered and not os.path.exists(os.path.join(path, RECEIPT)):
        raise HndescError(
            f"config key {one.key}: '{one.path}' was not fetched by hndesc; to verify it: hndesc datasets get "
            f"{registered[path]}"
        )


def _cure(one: NamedPath, path: str, registered: Mapping[str, str], is_made: Callable[[str], object]) -> str:
    for parent in _parents(path):
        if parent in registered:
            return f"; get the dataset first: hndesc datasets get {registered[parent]}"
        if is_made(parent):
            return f"; a rule makes '{parent}': correct the rest of the path, or run 'snakemake {parent}' first"
    if one.published:
        return (
            f"; leave the key out to fetch data/weights/{one.published}, whose license and page 'hndesc datasets' lists"
        )
    return f"; correct the path, or put the {one.kind} there"


def _parents(path: str) -> Iterator[str]:
    while (parent := os.path.dirname(path)) not in ("", path):
        yield parent
        path = parent


def check_descriptors(config: Config) -> None:
    """Make sure that descriptors take their settings, and that the modules of users' own classes are found.

    Only descriptors with settings are imported.

    Raises:
        HndescError: one line that names the entry.
    """
    for entry in config.descriptors:
        if not isinstance(entry, DescriptorSettings) or entry.features is not None:
            continue
        try:
            if is_class(entry.kind):
                class_file(entry.kind)
            elif entry.settings:
                check_settings(entry.kind, entry.settings)
        except HndescError as error:
            raise HndescError(f"config key descriptors ({entry.name}): {error}") from None
