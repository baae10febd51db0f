"""`make clean`: lists and removes what the workflow made; files added by users are kept.

Snakemake's records say which files and folders the workflow made. A folder is removed only if its marker agrees
(`hndesc.io.owned_folders`). Trained models and fetched data stay unless everything is to go. Needs no other package.
"""

import argparse
import json
import os
import shutil
import sys
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path

from hndesc.errors import HndescError, printable
from hndesc.io.files import check_text_file
from hndesc.io.locks import writing
from hndesc.io.markers import MARKER, list_files, read_marker
from hndesc.io.owned_folders import check_output_folder, remove_folder
from hndesc.io.temporaries import is_leftover

# Rules whose outputs take days to make again, or a network.
_PRECIOUS = ("train", "get_dataset", "get_weights")
# Files that a rule writes next to its outputs, and how they begin.
_BESIDE = {"demo_data": ("README.txt", "Demo data of hndesc"), "split_photos": ("split.tsv", "path\tside\tshown")}
_RECORDS = Path(".snakemake", "metadata")


def find_made(root: Path, everything: bool = False) -> tuple[dict[Path, Path | None], list[str]]:
    """Find what is to be removed.

    Args:
        root: the checkout.
        everything: trained models, fetched data and the environment of `make setup`, too.

    Returns:
        Files and folders, each with Snakemake's record of it, if it has one; and a line for each that is spared.

    Raises:
        HndescError: Snakemake holds its lock.
    """
    _check_idle(root)
    made: dict[Path, Path | None] = {}
    spared: list[str] = []
    for record, path, rule, logs in _records(root):
        if rule in _PRECIOUS and not everything:
            if path.exists():
                spared.append(f"{path.relative_to(root)}: made by {rule}; make distclean removes it")
            continue
        for found in [path, *logs, *_beside(path, rule)]:
            try:
                if _is_ours(found):
                    made[found] = record if found == path else made.get(found)
            except HndescError as error:
                spared.append(str(error))
    for folder in ("results", "data"):
        for path, reason in _unfinished(root / folder):
            if reason:
                spared.append(f"{path.relative_to(root)}: {reason}")
            else:
                made[path] = None
        made |= {path: None for path in sorted((root / folder).rglob(".*-hndesc-*")) if is_leftover(path)}
    if everything:
        made |= {root / name: None for name in (".snakemake", ".venv") if _is_environment(root / name)}
    return made, sorted(set(spared))


def _unfinished(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the folders that an interrupted step filled or was about to remove, and why one is spared."""
    for marker in sorted(folder.rglob(f".*/{MARKER}")):
        path = marker.parent
        name, _, kind = path.name.removeprefix(".").rpartition(".")
        if not name or kind.partition("-")[0] not in ("part", "old", "interrupted"):
            continue
        try:
            with writing(path.with_name(name)):
                left = None if kind == "old" else next(list_files(path), None)
                yield path, f"files of an interrupted run ('{left}' first); delete it if none is yours" if left else ""
        except HndescError as error:  # of a run without Snakemake
            yield path, str(error)


def remove_made(root: Path, made: dict[Path, Path | None]) -> None:
    """Remove what `find_made` found, and the folders that are empty then."""
    for path, record in made.items():
        if (marker := read_marker(path)) is not None:
            remove_folder(path, marker["step"])
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if record is not None:
            record.unlink(missing_ok=True)
        parent = path.parent
        while parent != root and not parent.is_symlink() and _is_bare(parent):
            if parent.exists():
                parent.rmdir()
            parent = parent.parent


def _is_bare(folder: Path) -> bool:
    return not folder.exists() or not any(folder.iterdir())


def _check_idle(root: Path) -> None:
    """Refuse to clean during a run."""
    if any(path.is_file() for path in (root / ".snakemake" / "locks").glob("*")):
        raise HndescError(
            ".snakemake/locks: a run is in progress, or one was killed; wait for its end, or run 'snakemake --unlock'"
        )


def _records(root: Path) -> Iterator[tuple[Path, Path, str, list[Path]]]:
    """Yield each record of Snakemake, the output that it is of, the rule, and the rule's log and timing."""
    for record in sorted(root.joinpath(_RECORDS).rglob("*")):
        if not record.is_file():
            continue
        parts = record.relative_to(root / _RECORDS).parts
        try:
            name = urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()
            content = json.loads(record.read_text(encoding="utf-8"))
            rule, logs = content["rule"], content.get("log") or []
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # of another version
        names = [name, *logs, *(log.replace("/logs/", "/timings/").removesuffix(".log") + ".tsv" for log in logs)]
        if not any(os.path.isabs(each) or ".." in Path(each).parts for each in names):
            path, *others = (root / each for each in names)
            yield record, path, rule, others


def _beside(path: Path, rule: str) -> list[Path]:
    name, beginning = _BESIDE.get(rule, ("", ""))
    companion = path.parent / name
    if not name or not companion.is_file():
        return []
    check_text_file(companion, beginning)
    return [companion]


def _is_ours(path: Path) -> bool:
    """Return whether there is something of ours to remove; a folder that is not ours is a HndescError."""
    if path.is_symlink() or not path.exists():
        return False
    if path.is_dir():
        marker = read_marker(path)
        check_output_folder(path, marker["step"] if marker else "the workflow")
    return True


def _is_environment(path: Path) -> bool:
    return not path.is_symlink() and (path / ("metadata" if path.name == ".snakemake" else ".made_by_make")).exists()


def main() -> None:
    """Print what is removed and what is spared, and remove it."""
    parser = argparse.ArgumentParser(description="Remove what the workflow made in this folder.")
    parser.add_argument("--all", action="store_true", help="trained models, fetched data and .venv, too")
    parser.add_argument("--dry-run", action="store_true", help="only name it")
    options = parser.parse_args()
    try:
        _clean(Path.cwd(), options.all, options.dry_run)
    except HndescError as error:
        sys.exit(printable(str(error)))
    except OSError as error:
        sys.exit(f"{printable(str(error.filename))}: cannot be removed ({error.strerror}); remove it by hand")


def _clean(root: Path, everything: bool, dry_run: bool) -> None:
    made, spared = find_made(root, everything)
    for path in made:
        print(f"{'would remove' if dry_run else 'removes'}: {printable(path.relative_to(root))}")
    for line in spared:
        print(f"spares: {printable(line)}")
    if not dry_run:
        remove_made(root, made)


if __name__ == "__main__":
    main()
