"""The files and folders that a configuration names: each must exist before anything runs, unless a rule makes it.

Snakemake alone is no guard: where a target of an older run exists, it takes a missing input for one that is not needed.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hndesc.datasets.registry import RECEIPT
from hndesc.descriptors import class_file, is_class
from hndesc.errors import HndescError
from hndesc.peers import WEIGHTS

FILE, FOLDER = "file", "folder"
_STARTS = (None, "imagenet", "random")  # of a training, other than a file


@dataclass(frozen=True)
class NamedPath:
    """A path of the configuration.

    Attributes:
        key: where it is named, as in messages.
        path: as it is written there.
        kind: FILE or FOLDER.
        published: name of the published file that is fetched where the key is left out.
    """

    key: str
    path: str
    kind: str
    published: str | None = None


def named_paths(config: Mapping[str, Any], checkpoints: Iterable[str] = ()) -> list[NamedPath]:
    """List the paths that a configuration, which the schema has passed, names.

    Args:
        config: the whole configuration.
        checkpoints: names that stand for a checkpoint of this run where weights are asked for.
    """
    found = [NamedPath(key, config[key], FOLDER) for key in ("photos", "styles")]
    photos = config.get("split", {}).get("photos", [])
    found += [NamedPath("split.photos", path, FOLDER) for path in ([photos] if isinstance(photos, str) else photos)]
    found += _keypoints("keypoints.weights", config["keypoints"])
    found += _stylization("stylization", config["stylization"])
    found += _training("training", config["training"])
    for name, run in config["ablation"]["runs"].items():
        found += _training(f"ablation.runs.{name}.training", (run or {}).get("training", {}))
        found += _stylization(f"ablation.runs.{name}.stylization", (run or {}).get("stylization", {}))
    for entry in config["descriptors"]:
        if not isinstance(entry, str):
            found += _descriptor(entry, [benchmark["name"] for benchmark in config["benchmarks"]])
    for entry in config["benchmarks"]:
        found += _benchmark(entry, set(checkpoints))
    return found


def _keypoints(key: str, section: Any) -> Iterator[NamedPath]:
    if isinstance(section, Mapping) and section.get("weights") is not None:
        yield NamedPath(key, section["weights"], FILE, WEIGHTS.get(section["detector"]))


def _stylization(key: str, section: Mapping[str, Any]) -> Iterator[NamedPath]:
    methods = {f".methods.{name}": values or {} for name, values in section.get("methods", {}).items()}
    for place, values in ({"": section} | methods).items():
        if "weights" in values:
            yield NamedPath(f"{key}{place}.weights", values["weights"], FOLDER)


def _training(key: str, section: Mapping[str, Any]) -> Iterator[NamedPath]:
    if section.get("weights") not in _STARTS:
        yield NamedPath(f"{key}.weights", section["weights"], FILE)


def _descriptor(entry: Mapping[str, Any], benchmarks: list[str]) -> Iterator[NamedPath]:
    key = f"descriptors ({entry['name']})"
    kind = entry.get("descriptor", entry["name"])
    if "features" in entry:
        for path in dict.fromkeys(entry["features"].replace("{benchmark}", name) for name in benchmarks):
            yield NamedPath(f"{key}: features", path, FILE)
        return
    if kind.endswith(".safetensors"):
        yield NamedPath(f"{key}: descriptor", kind, FILE)
    if "weights" in entry:
        yield NamedPath(f"{key}: weights", entry["weights"], FILE, WEIGHTS.get(kind))
    yield from _keypoints(f"{key}: keypoints.weights", entry.get("keypoints"))


def _benchmark(entry: Mapping[str, Any], checkpoints: set[str]) -> Iterator[NamedPath]:
    key = f"benchmarks ({entry['name']})"
    for name in ("dataset", "distractors"):
        if name in entry:
            yield NamedPath(f"{key}: {name}", entry[name], FOLDER)
    shortlist = entry.get("shortlist", {})
    for name in ("ranking", "weights"):
        if name in shortlist and shortlist[name] not in checkpoints:
            yield NamedPath(f"{key}: shortlist.{name}", shortlist[name], FILE)
    for path in entry.get("settings", {}).get("pairs", {}).get("lists", []):
        yield NamedPath(f"{key}: settings.pairs.lists", path, FILE)


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
        path = os.path.normpath(one.path)
        if os.path.exists(path):
            _check_existing(one, path, registered)
        elif not is_made(path):
            raise HndescError(
                f"config key {one.key}: there is no {one.kind} '{one.path}'{_cure(one, path, registered, is_made)}"
            )


def _check_existing(one: NamedPath, path: str, registered: Mapping[str, str]) -> None:
    if os.path.isdir(path) != (one.kind == FOLDER):
        raise HndescError(f"config key {one.key}: '{one.path}' is no {one.kind}; name a {one.kind}")
    if not os.access(path, os.R_OK):
        raise HndescError(f"config key {one.key}: no permission to read '{one.path}'; ask its owner for it")
    if one.kind == FOLDER and path in registered and not os.path.exists(os.path.join(path, RECEIPT)):
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


def check_classes(descriptors: Iterable[str | Mapping[str, Any]]) -> None:
    """Make sure that the modules of users' own descriptor classes are found.

    Raises:
        HndescError: one line that names the entry.
    """
    for entry in descriptors:
        kind = entry if isinstance(entry, str) else entry.get("descriptor", entry["name"])
        if is_class(kind):
            try:
                class_file(kind)
            except HndescError as error:
                raise HndescError(f"config key descriptors ({entry['name']}): {error}") from None
