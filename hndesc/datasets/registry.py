"""The registry of datasets and weight files: where they come from, and what must be there when they have arrived."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import yaml

from hndesc.errors import HndescError

REGISTRY = Path(__file__).with_name("registry.yaml")
RECEIPT = ".hndesc-dataset.json"  # in the folder of a dataset that has been verified
_HEX = frozenset("0123456789abcdef")
_ENTRY = {"title", "page", "licence", "by_hand", "files", "move", "unpacked", "layout"}
_FILE = {"addresses", "name", "size", "sha256", "shards", "into", "flatten", "strip"}


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Attributes:
        name: what it is called on disk.
        addresses: tried in this order; none: it is fetched by hand.
        size: bytes, where published.
        sha256: in hexadecimal, or its first digits, where published.
        into: sub-folder of the dataset that it is unpacked to, or copied to if it is no archive.
        flatten: leave out the archive's folders.
        strip: number of leading folders to leave out.
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
    """A dataset (a folder) or a file of weights.

    Attributes:
        name: as `hndesc datasets get` takes it.
        place: where it lies below the data folder.
        files: what is fetched.
        layout: kind and numbers, see `hndesc.datasets.layouts`; None for a file of weights.
        title, page, licence: for people; the page is where to look when no address works.
        by_hand: how to get what no address serves.
        move: sub-folders that are merged into others after unpacking.
        unpacked: bound on the unpacked bytes.
    """

    name: str
    place: str
    files: tuple[RemoteFile, ...]
    layout: Mapping[str, Any] | None
    title: str = ""
    page: str = ""
    licence: str = ""
    by_hand: str | None = None
    move: Mapping[str, str] = field(default_factory=dict)
    unpacked: int | None = None

    @property
    def size(self) -> int | None:
        """Bytes to fetch, where all are published."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(sizes)


def read_registry(extra: str | os.PathLike | None = None) -> dict[str, Entry]:
    """Read the package's registry, and a user's file whose entries go first.

    Raises:
        HndescError: not a registry; the message names the entry and the key.
    """
    entries = _read(REGISTRY)
    return entries if extra is None else entries | _read(Path(extra))


def find_entry(name: str, registry: Mapping[str, Entry]) -> Entry:
    """Return an entry; an unknown name is a HndescError that lists the known ones."""
    if name not in registry:
        raise HndescError(f"no dataset or weights named '{name}'; there are: {', '.join(registry)}")
    return registry[name]


def _read(path: Path) -> dict[str, Entry]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HndescError(f"{path}: the registry cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise HndescError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    _check_keys(data, {"datasets", "weights"}, f"{path}: the top level")
    entries: dict[str, Entry] = {}
    for section in ("datasets", "weights"):
        for name, values in (data.get(section) or {}).items():
            _check_name(name, f"{path}: {section}")
            if name in entries:
                raise HndescError(f"{path}: '{name}' stands under both datasets and weights")
            entries[name] = _entry(name, values, section == "weights", f"{path}: {name}")
    return entries


def _entry(name: str, values: Any, is_file: bool, where: str) -> Entry:
    _check_keys(values, _ENTRY, where)
    listed = values.get("files")
    if not isinstance(listed, list) or not listed or (is_file and len(listed) != 1):
        raise HndescError(f"{where}: 'files' must list {'one file' if is_file else 'at least one file'}")
    files = tuple(file for item in listed for file in _files(item, name if is_file else None, where))
    if len({file.name for file in files}) < len(files):
        raise HndescError(f"{where}: two of its files have the same name")
    if not values.get("by_hand") and any(not file.addresses for file in files):
        raise HndescError(f"{where}: a file without addresses needs 'by_hand', which says how to get it")
    layout = values.get("layout")
    if not is_file and not (isinstance(layout, dict) and "kind" in layout):
        raise HndescError(f"{where}: 'layout' must say what kind of dataset it is, as in layout: {{kind: photos}}")
    for place in [file.into for file in files] + [part for pair in values.get("move", {}).items() for part in pair]:
        _check_inside(place, where)
    known = {item.name for item in fields(Entry)} & values.keys() - {"files", "layout"}
    place = f"weights/{name}" if is_file else name
    return Entry(name=name, place=place, files=files, layout=layout, **{key: values[key] for key in known})


def _files(item: Any, name: str | None, where: str) -> Iterator[RemoteFile]:
    _check_keys(item, _FILE, f"{where}: files")
    settings = {key: value for key, value in item.items() if key not in ("addresses", "name", "shards")}
    _check_check(settings, where)
    shards = range(1, item["shards"] + 1) if "shards" in item else [None]
    for shard in shards:
        addresses = tuple(address.replace("{shard}", str(shard)) for address in item.get("addresses", ()))
        for address in addresses:
            if urlparse(address).scheme not in ("http", "https"):
                raise HndescError(f"{where}: '{address}' is no address of http or https")
        own = name or item.get("name") or (PurePosixPath(urlparse(addresses[0]).path).name if addresses else None)
        _check_name(own, f"{where}: files")
        yield RemoteFile(name=own, addresses=addresses, **settings)


def _check_keys(data: Any, known: set[str], where: str) -> None:
    if not isinstance(data, dict):
        raise HndescError(f"{where} must have keys and values ({', '.join(sorted(known))})")
    if unknown := sorted(map(str, data.keys() - known)):
        raise HndescError(f"{where} has an unknown key '{unknown[0]}'; known ones: {', '.join(sorted(known))}")


def _check_name(name: Any, where: str) -> None:
    # Names become paths.
    if not isinstance(name, str) or not name or name.startswith(".") or set(name) & set('/\\:*?"<>|\t\n'):
        raise HndescError(f"{where}: {name!r} cannot be the name of a file or folder")


def _check_inside(place: Any, where: str) -> None:
    if not isinstance(place, str) or place.startswith("/") or ".." in PurePosixPath(place).parts:
        raise HndescError(f"{where}: {place!r} is no sub-folder of the dataset")


def _check_check(settings: Mapping[str, Any], where: str) -> None:
    size, digest = settings.get("size"), settings.get("sha256")
    if size is not None and (not isinstance(size, int) or size < 1):
        raise HndescError(f"{where}: size {size!r} is no number of bytes")
    if digest is not None and not (isinstance(digest, str) and 8 <= len(digest) <= 64 and set(digest) <= _HEX):
        raise HndescError(f"{where}: sha256 {digest!r} must be 8 to 64 hexadecimal digits in quotes")
