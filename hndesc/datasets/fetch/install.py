"""The step that installs a registered dataset or weights file: download, unpack, verify."""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hndesc.datasets.fetch.checksums import Checksums
from hndesc.datasets.fetch.download import DownloadedFile, RetryPolicy, download, locked
from hndesc.datasets.fetch.registry import RECEIPT, Entry, RemoteFile, find_entry, read_registry
from hndesc.datasets.fetch.unpack import is_archive, merge, unpack
from hndesc.datasets.fetch.verify import verify_layout
from hndesc.errors import HndescError
from hndesc.io.files import write_json
from hndesc.io.owned_folders import replace_folder
from hndesc.io.temporaries import make_temporary_folder

logger = logging.getLogger(__name__)

DATA = "data"
CHECKSUMS = "checksums.tsv"
DOWNLOADS = "downloads"
_LEAST_BOUND = 4_000_000_000


def get_dataset(
    name: str,
    data: str | os.PathLike = DATA,
    *,
    registry: str | os.PathLike | None = None,
    mirrors: Sequence[str] = (),
    checksums: str | os.PathLike = CHECKSUMS,
    retry_policy: RetryPolicy | None = None,
) -> Path:
    """Download, unpack and verify a dataset, or download a weights file, unless it exists.

    A dataset gets its name only after its layout has been verified. The archives are kept in `downloads` in the data
    folder and can be deleted.

    Args:
        name: name of an entry of the registry.
        data: folder of all data.
        registry: file with further entries.
        mirrors: addresses of folders with the files, which are tried first.
        checksums: table of recorded checksums of files without a published one (`hndesc.datasets.fetch.checksums`).
        retry_policy: limits on attempts.

    Returns:
        The folder of the dataset, or the weights file.

    Raises:
        HndescError: the name is unknown, no address works, or the downloaded files are not as expected.
    """
    entry, data = find_entry(name, read_registry(registry)), Path(data)
    place, known = data / entry.place, Checksums(Path(checksums))
    network: dict[str, Any] = {
        "page": entry.page,
        "by_hand": entry.by_hand,
        "mirrors": tuple(mirrors),
        "retry_policy": retry_policy,
    }
    if entry.layout is None:
        arrived = download(entry.files[0], place.parent, known, **network)
        _record(known, entry.files, [arrived])
        return place
    with locked(place):
        if _is_present(entry, place):
            return place
        logger.info("%s: license: %s", entry.name, entry.license or "unknown")
        files = [download(file, data / DOWNLOADS, known, **network) for file in entry.files]
        _unpack_all(entry, files, place)
        # The checksum of a first download is recorded once its content has been verified.
        _record(known, entry.files, files)
    return place


def list_datasets(data: str | os.PathLike = DATA, registry: str | os.PathLike | None = None) -> list[tuple[Entry, str]]:
    """Return all entries of the registry with their state."""
    return [(entry, _state(entry, Path(data))) for entry in read_registry(registry).values()]


def _state(entry: Entry, data: Path) -> str:
    place = data / entry.place
    if entry.layout is None:
        folder, present = place.parent, place.is_file()
    else:
        folder, present = data / DOWNLOADS, (place / RECEIPT).is_file()
    if present:
        return "present"
    if entry.layout is not None and place.is_dir() and any(place.iterdir()):
        return "not verified"
    started = sum((folder / file.name).is_file() for file in entry.files)
    if started or any((folder / f"{file.name}.part").is_file() for file in entry.files):
        return f"incomplete ({started} of {len(entry.files)} files)"
    return "manual" if entry.by_hand else "absent"


def _is_present(entry: Entry, place: Path) -> bool:
    if (place / RECEIPT).is_file():
        return True
    if not place.exists():
        return False
    if not place.is_dir():
        raise HndescError(f"{place}: is a file, but should be the folder of {entry.name}; move it")
    if not any(place.iterdir()):
        return False
    try:
        summary = verify_layout(place, entry.layout or {})
    except HndescError as error:
        raise HndescError(f"{error}; complete {place}, or move it so that {entry.name} is downloaded") from None
    _write_receipt(entry, place, summary, {})
    return True


def _unpack_all(entry: Entry, files: Sequence[DownloadedFile], place: Path) -> None:
    """Create the folder of the dataset from its files, under a temporary name until it is verified."""
    bound = entry.unpacked or max(_LEAST_BOUND, 20 * sum(file.path.stat().st_size for file in files))
    with replace_folder(place, "get_dataset") as staging:
        for file, arrived in zip(entry.files, files, strict=True):
            bound -= _install_file(file, arrived.path, staging, bound)
        for source, target in entry.move.items():
            if (staging / source).is_dir():
                merge(staging / source, staging / target)
        summary = verify_layout(staging, entry.layout or {})
        _write_receipt(entry, staging, summary, {file.path.name: file.sha256 for file in files})
    logger.info("%s: %s", place, summary)


def _install_file(file: RemoteFile, source: Path, staging: Path, bound: int) -> int:
    """Unpack or copy one file; return its size in bytes."""
    target = staging / file.into
    if not is_archive(file.name):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target / file.name)
        return source.stat().st_size
    # Each archive is unpacked separately, so that only repeated names within one archive are errors.
    temporary = make_temporary_folder(staging, "unpacked")
    unpack(source, temporary, bound, flatten=file.flatten, strip=file.strip)
    taken = sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
    merge(temporary, target)
    return taken


def _write_receipt(entry: Entry, place: Path, summary: str, files: Mapping[str, str]) -> None:
    write_json(place / RECEIPT, {"name": entry.name, "verified": summary, "sha256": dict(files)})


def _record(known: Checksums, files: Sequence[RemoteFile], arrived: Sequence[DownloadedFile]) -> None:
    for file, one in zip(files, arrived, strict=True):
        if file.sha256 is None or len(file.sha256) < 64:
            known.record(file.name, one.path.stat().st_size, one.sha256, one.address)
