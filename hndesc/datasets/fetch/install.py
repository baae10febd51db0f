"""The step that makes a registered dataset or file of weights arrive: download, unpack, verify."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hndesc.datasets.fetch.checksums import Checksums
from hndesc.datasets.fetch.download import Arrived, RetryPolicy, download, locked
from hndesc.datasets.fetch.registry import RECEIPT, Entry, RemoteFile, find_entry, read_registry
from hndesc.datasets.fetch.unpack import is_archive, merge, unpack
from hndesc.datasets.fetch.verify import verify_layout
from hndesc.errors import HndescError
from hndesc.io.files import write_json
from hndesc.io.owned_folders import replace_folder

logger = logging.getLogger(__name__)

DATA = "data"
CHECKSUMS = "checksums.tsv"
DOWNLOADS = "downloads"
_LEAST_BOUND = 4_000_000_000
Checks = Mapping[str, Callable[..., str]] | None


def get_dataset(
    name: str,
    data: str | os.PathLike = DATA,
    *,
    registry: str | os.PathLike | None = None,
    mirrors: Sequence[str] = (),
    checksums: str | os.PathLike = CHECKSUMS,
    retry_policy: RetryPolicy | None = None,
    checks: Checks = None,
) -> Path:
    """Fetch, unpack and verify a dataset, or fetch a file of weights, unless it is there.

    A dataset appears under its name only when its layout has been verified. The archives stay in `downloads` below the
    data folder and may be deleted.

    Args:
        name: of an entry of the registry.
        data: folder of all data.
        registry: a file of further entries.
        mirrors: addresses of folders that hold the files under their names; tried first.
        checksums: table of the checksums of files for which none is published (`hndesc.datasets.fetch.checksums`).
        retry_policy: how long to try an address.
        checks: of datasets of further kinds, see `hndesc.datasets.fetch.verify.verify_layout`.

    Returns:
        The dataset's folder, or the file of weights.

    Raises:
        HndescError: unknown name, no address works, or what arrived is not what was expected.
    """
    entry, data = find_entry(name, read_registry(registry)), Path(data)
    place, known = data / entry.place, Checksums(Path(checksums))
    network = {"page": entry.page, "by_hand": entry.by_hand, "mirrors": tuple(mirrors), "retry_policy": retry_policy}
    if entry.layout is None:
        arrived = download(entry.files[0], place.parent, known, **network)
        _record(known, entry.files, [arrived])
        return place
    with locked(place):
        if _is_present(entry, place, checks):
            return place
        logger.info("%s: license: %s", entry.name, entry.license or "unknown")
        files = [download(file, data / DOWNLOADS, known, **network) for file in entry.files]
        _unpack_all(entry, files, place, checks)
        # A first download is trusted when what is in it has proved to be the dataset.
        _record(known, entry.files, files)
    return place


def list_datasets(data: str | os.PathLike = DATA, registry: str | os.PathLike | None = None) -> list[tuple[Entry, str]]:
    """Return all entries of the registry with what is there of them."""
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
    begun = sum((folder / file.name).is_file() for file in entry.files)
    if begun or any((folder / f"{file.name}.part").is_file() for file in entry.files):
        return f"begun ({begun} of {len(entry.files)} files)"
    return "by hand" if entry.by_hand else "absent"


def _is_present(entry: Entry, place: Path, checks: Checks) -> bool:
    if (place / RECEIPT).is_file():
        return True
    if not place.exists():
        return False
    if not place.is_dir():
        raise HndescError(f"{place}: a file stands where the folder of {entry.name} belongs; move it away")
    if not any(place.iterdir()):
        place.rmdir()
        return False
    try:
        summary = verify_layout(place, entry.layout, checks)
    except HndescError as error:
        raise HndescError(f"{error}; complete {place}, or move it away to have {entry.name} fetched") from None
    _write_receipt(entry, place, summary, {})
    return True


def _unpack_all(entry: Entry, files: Sequence[Arrived], place: Path, checks: Checks) -> None:
    """Make the dataset's folder from its files, under another name until it is verified."""
    bound = entry.unpacked or max(_LEAST_BOUND, 20 * sum(file.path.stat().st_size for file in files))
    with replace_folder(place, "get_dataset") as staging:
        for file, arrived in zip(entry.files, files, strict=True):
            bound -= _place(file, arrived.path, staging, bound)
        for source, target in entry.move.items():
            if (staging / source).is_dir():
                merge(staging / source, staging / target)
        summary = verify_layout(staging, entry.layout, checks)
        _write_receipt(entry, staging, summary, {file.path.name: file.sha256 for file in files})
    logger.info("%s: %s", place, summary)


def _place(file: RemoteFile, source: Path, staging: Path, bound: int) -> int:
    """Unpack or copy one file; return the bytes that it takes."""
    target = staging / file.into
    if not is_archive(file.name):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target / file.name)
        return source.stat().st_size
    # Each archive is unpacked apart from the others, so that only within one a repeated name is an error.
    apart = Path(tempfile.mkdtemp(prefix=".", dir=staging))
    unpack(source, apart, bound, flatten=file.flatten, strip=file.strip)
    taken = sum(path.stat().st_size for path in apart.rglob("*") if path.is_file())
    merge(apart, target)
    return taken


def _write_receipt(entry: Entry, place: Path, summary: str, files: Mapping[str, str]) -> None:
    write_json(place / RECEIPT, {"name": entry.name, "verified": summary, "sha256": dict(files)})


def _record(known: Checksums, files: Sequence[RemoteFile], arrived: Sequence[Arrived]) -> None:
    for file, one in zip(files, arrived, strict=True):
        if file.sha256 is None or len(file.sha256) < 64:
            known.record(file.name, one.path.stat().st_size, one.sha256, one.address)
