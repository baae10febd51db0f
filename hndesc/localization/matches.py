"""Matching of the listed pairs, and the match file.

The file has hloc's layout: one group a pair, `<first>/<second>` with "/" in the names replaced by "-", holding
`matches0` (for each keypoint of the first image the row in the second, -1 for none) and `matching_scores0`. Attributes
of the file: `settings` (JSON) and `missing` (JSON: images without features -> reason).
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from tqdm import tqdm

from hndesc.datasets.localization.readers import read_scene
from hndesc.errors import HndescError
from hndesc.io.described_images import DescribedImages, named_pair
from hndesc.io.features import FeatureReader, Features
from hndesc.io.files import check_space
from hndesc.io.hdf5 import (
    Reader,
    check_hdf5_output,
    entries,
    find,
    has,
    make_group,
    named,
    read_array,
    read_json,
    write_array,
    write_text,
)
from hndesc.io.resumable_hdf5 import filling, gather
from hndesc.matching.matcher import match_scored
from hndesc.runtime.processes import workers
from hndesc.runtime.shards import block_of

logger = logging.getLogger(__name__)

# Descriptors of this many images are kept in memory, by all processes: 1 GB at 4096 of 128 dimensions.
_CACHED_IMAGES = 512
_CACHED_IN_VIEWS = 100  # where each is described in several views
# Pairs that are matched between two writes: what is lost when a run is killed.
_BATCH = 64


def match_pairs(
    root: Path,
    features: Path,
    output: Path,
    *,
    pairs: Path | None = None,
    part: str | None = None,
    ratio: float | None = None,
    threads: int = 1,
) -> None:
    """Match the listed pairs of a localization dataset by mutual nearest neighbors, each unordered pair once.

    An interrupted run resumes with the missing pairs. Pairs with an image that has no features are left out;
    those images are named in a warning and in the file.

    Args:
        root: folder of the dataset.
        features: feature file with descriptors.
        output: match file.
        pairs: another list of pairs than the dataset's own.
        part: "i-of-n" for one stretch of n of the list, None for all of it; `gather_matches` puts them together.
        ratio: see `hndesc.matching.matcher.match_features`.
        threads: pairs matched at a time, each by a process (`hndesc.runtime.processes`).
    """
    check_hdf5_output(output, [features] if pairs is None else [features, pairs])
    match_listed(read_scene(root, pairs).pairs, features, output, place=root, part=part, ratio=ratio, threads=threads)


def match_listed(
    pairs: Sequence[tuple[str, str]],
    features: Path,
    output: Path,
    *,
    place: str | os.PathLike,
    part: str | None = None,
    ratio: float | None = None,
    threads: int = 1,
) -> None:
    """Match pairs of images; the other arguments and the result are those of `match_pairs`.

    Args:
        pairs: names of images, each unordered pair once.
        place: where the images are from, for messages.
    """
    check_hdf5_output(output, [features])
    with DescribedImages(features, ()) as reader:
        names = dict.fromkeys(name for pair in pairs for name in pair)
        missing = {name: reader.failed.get(name, "not in the feature file") for name in names if name not in reader}
        if len(missing) == len(names):
            raise HndescError(f"{features}: has features of no image of {place}; was it made from another dataset?")
        for name, reason in missing.items():
            logger.warning("%s: no features of '%s' (%s); its pairs are left out", features, name, reason)
        listed = [pair for pair in pairs if not missing.keys() & set(pair)]
        keys = {_key(*pair) for pair in listed}
        if len(keys) < len(listed):
            raise HndescError(f"{place}: two images whose names differ in '/' and '-' only; rename one")
        settings: dict[str, Any] = {"matcher": "mutual_nearest", "features": reader.settings}
        if ratio is not None:
            settings["ratio"] = ratio
        with MatchWriter(output, settings, missing, f"{reader.identity}\n{part}", listed) as writer:
            _match(block_of(listed, part), reader, writer, ratio, threads)


def gather_matches(shards: Sequence[Path], output: Path) -> None:
    """Merge the files of all shards of `match_pairs` into one match file, equal to that of a single run."""
    gather(shards, output, MatchReader.what, lambda file: [name for name, _ in entries(file, _is_pair)])


def _match(
    pairs: Sequence[tuple[str, str]],
    reader: DescribedImages,
    writer: "MatchWriter",
    ratio: float | None,
    threads: int,
) -> None:
    waiting = [pair for pair in pairs if pair not in writer]
    if len(waiting) < len(pairs):
        logger.info("%d of %d pairs were matched before; resuming with the rest", len(pairs) - len(waiting), len(pairs))
    progress = tqdm(total=len(pairs), initial=len(pairs) - len(waiting), desc="matching", unit="pair", disable=None)
    cached = _CACHED_IN_VIEWS if reader.settings.get("views") else _CACHED_IMAGES
    with workers(_Matcher(reader, max(2, cached // threads), ratio), threads) as match, progress:
        for start in range(0, len(waiting), _BATCH):
            batch = waiting[start : start + _BATCH]
            for pair, (matches, scores) in zip(batch, match(batch), strict=True):
                writer.write(pair, matches, scores)
            writer.flush()
            progress.update(len(batch))


class _Matcher:
    """Matches pairs of images, with some of the features cached; can be sent to another process."""

    def __init__(self, reader: DescribedImages, images: int, ratio: float | None) -> None:
        self._reader = reader
        self._images = images
        self._ratio = ratio
        self._read = lru_cache(images)(reader.read)

    def __reduce__(self) -> tuple:
        return _Matcher, (self._reader, self._images, self._ratio)

    def __call__(self, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
        first, second = pair
        with named_pair(first, second):
            return _match_loaded(self._read(first), self._read(second), self._ratio)


def _match_loaded(first: Features, second: Features, ratio: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return `matches0` and `matching_scores0` of a pair."""
    rows, cosines = match_scored(first, second, ratio)
    matches = np.full(len(first), -1, np.int16 if len(second) < 2**15 else np.int32)
    scores = np.zeros(len(first), np.float16)
    matches[rows[:, 0]], scores[rows[:, 0]] = rows[:, 1], cosines
    return matches, scores


def _key(first: str, second: str) -> str:
    return f"{first.replace('/', '-')}/{second.replace('/', '-')}"


class MatchWriter:
    """Write a match file; use as a context manager.

    As in `hndesc.io.features.FeatureWriter`, pairs go into `<name>.part`, which becomes the output when the block
    succeeds, and from which an interrupted run with the same settings and the same `source` resumes; pairs that are not
    `listed` are dropped.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping,
        missing: Mapping[str, str],
        source: str = "",
        listed: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        self.path = path
        self._missing = json.dumps(dict(missing))
        pairs = None if listed is None else {_key(*pair): "" for pair in listed}
        self._filling = filling(self.path, json.dumps(settings, sort_keys=True), source, pairs)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._file = stack.enter_context(self._filling)
            write_text(self._file, "missing", self._missing)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def __contains__(self, pair: tuple[str, str]) -> bool:
        group = find(self._file, _key(*pair))
        return group is not None and bool(group.attrs.get("complete"))

    def write(self, pair: tuple[str, str], matches: np.ndarray, scores: np.ndarray) -> None:
        """Store `matches0` and `matching_scores0` of a pair."""
        check_space(self.path, matches.nbytes + scores.nbytes)
        key = _key(*pair)
        if key in self._file:
            del self._file[key]
        group = make_group(self._file, key)
        write_array(group, "matches0", matches)
        write_array(group, "matching_scores0", scores)
        group.attrs["complete"] = True

    def flush(self) -> None:
        """Flush the written matches to disk."""
        self._file.flush()


class MatchReader(Reader):
    """Read a match file of this package or of hloc; use as a context manager."""

    what = "match file"

    @property
    def missing(self) -> dict[str, str]:
        """Images that had no features, with the reason."""
        with named(f"{self.path}: broken match file"):
            return read_json(self._file, "missing")

    def read(self, first: str, second: str) -> np.ndarray | None:
        """Return the matches of a pair, stored in either order: K x 2 int64 rows, None where there is none."""
        found = self.read_scored(first, second)
        return None if found is None else found[0]

    def read_scored(self, first: str, second: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the matches as `read` does, and their scores (K, 1 where the file has none)."""
        for key, order in _keys(first, second):
            with named(f"{self.path}: pair '{key}' is broken"):
                group = find(self._file, key)
                if group is None:
                    continue
                matches = read_array(group, "matches0")
                if matches.ndim != 1 or matches.dtype.kind == "f":
                    raise ValueError(f"'matches0' of shape {matches.shape} and type {matches.dtype}")
                rows = np.flatnonzero(matches >= 0)
                scores = read_array(group, "matching_scores0") if has(group, "matching_scores0") else matches >= 0
                if scores.shape != matches.shape:
                    raise ValueError(f"'matching_scores0' of shape {scores.shape}, but 'matches0' of {matches.shape}")
                pairs = np.stack([rows, matches[rows].astype(np.int64)], axis=1)[:, ::order]
                return pairs, scores[rows].astype(np.float32)
        return None

    def pairs(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Return the pairs of images in the file, of those that are named; file and names may have others.

        Raises:
            HndescError: there is none.
        """
        known = {name.replace("/", "-"): name for name in names}
        with named(f"{self.path}: broken match file"):
            stored = [key for key, _ in entries(self._file, _is_pair)]
        found = []
        for key in stored:
            between = [place for place, letter in enumerate(key) if letter in "/_"]
            parts = ((key[:place], key[place + 1 :]) for place in between)
            pair = next((pair for pair in parts if known.keys() >= set(pair)), None)
            if pair is not None:
                found.append((known[pair[0]], known[pair[1]]))
        if not found:
            raise HndescError(f"{self.path}: has no matches of images with features; was it made from other features?")
        return found


def _keys(first: str, second: str) -> Iterator[tuple[str, int]]:
    """Yield the names that a pair may have, also those of hloc's first versions, and in which order it stands there."""
    for one, other, order in ((first, second, 1), (second, first, -1)):
        yield _key(one, other), order
        yield _key(one, other).replace("/", "_"), order


def check_made_from(matches: MatchReader, features: FeatureReader) -> None:
    """Refuse matches of other features, whose rows would be other keypoints; hloc's files do not name theirs.

    Raises:
        HndescError: other features.
    """
    if matches.settings.get("features", features.settings) != features.settings:
        raise HndescError(f"{matches.path}: matches of other features than {features.path}; match these")


def _is_pair(group: h5py.Group) -> bool:
    return has(group, "matches0")
