"""The registry of datasets and weights files: sources, checksums and expected contents."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

from hndesc.errors import HndescError
from hndesc.io.yaml_files import parse_yaml

REGISTRY = Path(__file__).with_name("registry.yaml")
RECEIPT = ".hndesc-dataset.json"  # in the folder of a verified dataset
MAX_BYTES = 10_000_000
MAX_SHARDS = 10_000
_RESERVED = ("weights", "downloads")  # names of folders that are not datasets
_HEX = frozenset("0123456789abcdef")


def _is_count(value: Any, least: int = 1) -> bool:
    return type(value) is int and least <= value < 2**63


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_address(value: Any) -> bool:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlparse(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # about the port or brackets
        return False


def _is_inside(value: Any) -> bool:
    parts = PurePosixPath(value).parts if isinstance(value, str) else ("..",)
    return not (value.startswith("/") if isinstance(value, str) else True) and ".." not in parts and value.isprintable()


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and 8 <= len(value) <= 64 and set(value) <= _HEX


def _is_move(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_inside(part) for pair in value.items() for part in pair)


def _is_layout(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("kind"), str) and all(map(_is_text, value))


# Check of the value of each key, and the error message.
_ENTRY: dict[str, tuple[Callable[[Any], bool], str]] = {
    "title": (_is_text, "not text"),
    "page": (_is_address, "not an http or https address"),
    "license": (_is_text, "not text"),
    "by_hand": (_is_text, "not text"),
    "files": (lambda value: isinstance(value, list) and bool(value), "not a list of at least one file"),
    "move": (_is_move, "not a mapping of sub-folders to sub-folders"),
    "unpacked": (_is_count, "not a number of bytes"),
    "layout": (_is_layout, "not a layout, such as {kind: photos}"),
}
_FILE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "addresses": (
        lambda value: isinstance(value, list) and all(map(_is_address, value)),
        "not a list of http or https addresses",
    ),
    "name": (_is_text, "not text"),
    "size": (_is_count, "not a number of bytes"),
    "sha256": (_is_digest, "not 8 to 64 hexadecimal digits in quotes"),
    "shards": (lambda value: _is_count(value) and value <= MAX_SHARDS, f"not a number from 1 to {MAX_SHARDS}"),
    "into": (_is_inside, "not a sub-folder of the dataset"),
    "flatten": (lambda value: isinstance(value, bool), "neither true nor false"),
    "strip": (lambda value: _is_count(value, 0), "not a number of folders"),
}


@dataclass(frozen=True)
class RemoteFile:
    """One file to download.

    Attributes:
        name: file name on disk.
        addresses: addresses in the order in which they are tried; empty if it must be downloaded manually.
        size: published size in bytes, or None.
        sha256: published SHA-256 in hexadecimal, or its first digits, or None.
        into: sub-folder of the dataset into which it is unpacked, or copied if it is not an archive.
        flatten: whether to ignore the folders of the archive.
        strip: number of leading folders to remove.
    """

    name: str
    addresses: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    into: str = "."
    flatten: bool = False
    strip: int = 0


@dataclass(frozen=True)
class Entry:
    """A dataset (a folder) or a weights file.

    Attributes:
        name: name for `hndesc datasets get`.
        place: path relative to the data folder.
        files: files to download.
        layout: kind and numbers, see `hndesc.datasets.fetch.verify`; None for a weights file.
        title, page, license: information for users; the page is named if no address works.
        by_hand: instructions for files that cannot be downloaded automatically.
        move: sub-folders that are merged into others after unpacking.
        unpacked: upper bound of the unpacked bytes.
    """

    name: str
    place: str
    files: tuple[RemoteFile, ...]
    layout: Mapping[str, Any] | None
    title: str = ""
    page: str = ""
    license: str = ""
    by_hand: str | None = None
    move: Mapping[str, str] = field(default_factory=dict)
    unpacked: int | None = None

    @property
    def size(self) -> int | None:
        """Bytes to download, if all sizes are published."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


def read_registry(extra: str | os.PathLike | None = None) -> dict[str, Entry]:
    """Read the registry of the package, and a user's file whose entries take precedence.

    Raises:
        HndescError: the file is invalid; the message names the entry and the key.
    """
    entries = dict(_own())
    if extra is not None:
        entries |= _read(Path(extra))
        _check_shared(entries, Path(extra))
    return entries


def find_entry(name: str, registry: Mapping[str, Entry]) -> Entry:
    """Return an entry; an unknown name raises a HndescError that lists the known ones."""
    if name not in registry:
        raise HndescError(f"no dataset or weights named '{name}'; known: {', '.join(registry)}")
    return registry[name]


@cache
def _own() -> Mapping[str, Entry]:
    return _read(REGISTRY)


def _read(path: Path) -> dict[str, Entry]:
    data = _load(path)
    _check_keys(data, {"datasets", "weights"}, f"{path}: the top level")
    entries: dict[str, Entry] = {}
    for section in ("datasets", "weights"):
        listed = data.get(section) or {}
        if not isinstance(listed, dict):
            raise HndescError(f"{path}: {section} must map names to entries")
        for name, values in listed.items():
            _check_name(name, f"{path}: {section}")
            if name in entries:
                raise HndescError(f"{path}: '{name}' is listed under both datasets and weights")
            entries[name] = _entry(name, values, section == "weights", f"{path}: {name}")
    return entries


def _load(path: Path) -> Any:
    try:
        if path.exists() and not path.is_file():
            raise HndescError(f"{path}: the registry is not a file")
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise HndescError(f"{path}: larger than {MAX_BYTES} bytes, which is not a registry")
        return parse_yaml(data.decode("utf-8"), path)
    except OSError as error:
        raise HndescError(f"{path}: the registry cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise HndescError(f"{path}: not YAML in UTF-8 ({error.reason})") from None


def _entry(name: str, values: Any, is_file: bool, where: str) -> Entry:
    known = {key: check for key, check in _ENTRY.items() if not is_file or key not in ("layout", "move", "unpacked")}
    _check_values(values, known, where)
    if not is_file and name.lower() in _RESERVED:
        raise HndescError(f"{where}: this name is reserved; rename the dataset")
    listed = values.get("files")
    if listed is None or (is_file and len(listed) != 1):
        raise HndescError(f"{where}: 'files' must list {'one file' if is_file else 'at least one file'}")
    files = tuple(file for item in listed for file in _files(item, name if is_file else None, where))
    if len({file.name.casefold() for file in files}) < len(files):
        raise HndescError(f"{where}: two of its files have the same name")
    if not values.get("by_hand") and any(not file.addresses for file in files):
        raise HndescError(f"{where}: a file without addresses needs 'by_hand' with instructions")
    if not is_file and "layout" not in values:
        raise HndescError(f"{where}: 'layout' must state the kind of dataset, such as {{kind: photos}}")
    place = f"weights/{name}" if is_file else name
    settings = {key: value for key, value in values.items() if key != "files" and value is not None}
    return Entry(name=name, place=place, files=files, **({"layout": None} | settings))


def _files(item: Any, name: str | None, where: str) -> Iterator[RemoteFile]:
    _check_values(item, _FILE, f"{where}: files")
    settings = {key: item[key] for key in item.keys() - {"addresses", "name", "shards"} if item[key] is not None}
    shards = range(1, item["shards"] + 1) if item.get("shards") else [None]
    for shard in shards:
        addresses = tuple(address.replace("{shard}", str(shard)) for address in item.get("addresses") or ())
        last = PurePosixPath(urlparse(addresses[0]).path).name if addresses else None
        own: Any = name or item.get("name") or last
        _check_name(own, f"{where}: files")
        yield RemoteFile(name=own, addresses=addresses, **settings)


def _check_values(data: Any, known: Mapping[str, tuple[Callable[[Any], bool], str]], where: str) -> None:
    _check_keys(data, set(known), where)
    for key, value in data.items():
        good, otherwise = known[key]
        if value is not None and not good(value):
            raise HndescError(f"{where}: {key} {_display(value)} is {otherwise}")


def _check_keys(data: Any, known: set[str], where: str) -> None:
    if not isinstance(data, dict):
        raise HndescError(f"{where} must have keys and values ({', '.join(sorted(known))})")
    if unknown := sorted(_display(key) for key in data if key not in known):
        raise HndescError(f"{where} has an unknown key {unknown[0]}; known ones: {', '.join(sorted(known))}")


def _check_name(name: Any, where: str) -> None:
    # Names become paths.
    good = isinstance(name, str) and name.isprintable() and 0 < len(name.encode()) <= 200
    if not good or name[0] in ". " or name[-1] in ". " or set(name) & set('/\\:*?"<>|'):
        raise HndescError(f"{where}: {_display(name)} cannot be the name of a file or folder")


def _check_shared(entries: Mapping[str, Entry], path: Path) -> None:
    """Raise an error for entries that share file names, which identify files in mirrors, checksums and downloads."""
    owners: dict[str, tuple[str, RemoteFile]] = {}
    places: dict[str, str] = {}
    for entry in entries.values():
        if (other := places.setdefault(entry.place.casefold(), entry.name)) != entry.name:
            raise HndescError(f"{path}: '{other}' and '{entry.name}' would be the same folder on some file systems")
        for file in entry.files:
            other, same = owners.setdefault(file.name.casefold(), (entry.name, file))
            if (same.addresses, same.sha256, same.name) != (file.addresses, file.sha256, file.name):
                raise HndescError(
                    f"{path}: '{other}' and '{entry.name}' have different files named '{file.name}'; "
                    "give one of them another 'name'"
                )


def _display(value: Any) -> str:
    # YAML aliases can make the text of a value arbitrarily long.
    return f"{value!r:.100}" if isinstance(value, str | int | float | bool) else f"of type {type(value).__name__}"
