"""Matching of the listed pairs, and the file that the matches are kept in.

The file has hloc's layout: one group a pair, `<first>/<second>` with "/" in the names replaced by "-", holding
`matches0` (for each keypoint of the first image the row in the second, -1 for none) and `matching_scores0`. Attributes
of the file: `settings` (JSON) and `missing` (JSON: images without features -> reason).
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from tqdm import tqdm

from hndesc.benchmarks.common import DescribedImages, named_pair
from hndesc.benchmarks.localization.datasets import read_scene
from hndesc.errors import HndescError
from hndesc.features import Features
from hndesc.files import check_output_file, check_space
from hndesc.hdf5 import BROKEN, Reader, gather, open_part, part_of
from hndesc.matching import match_features
from hndesc.parts import block_of
from hndesc.processes import workers

logger = logging.getLogger(__name__)

# Descriptors of this many images are kept in memory, by all processes: 1 GB at 4096 of 128 dimensions.
_CACHED_IMAGES = 512
# Pairs that are matched between two writes: what is lost when a run is killed.
_BATCH = 64


def match_pairs(
    root: Path,
    features: Path,
    output: Path,
    *,
    pairs: Path | None = None,
    part: str | None = None,
    threads: int = 1,
) -> None:
    """Match the listed pairs of a localisation dataset by mutual nearest neighbours, each unordered pair once.

    An interrupted run goes on with the pairs that are missing. Pairs with an image that has no features are left out;
    those images are named in a warning and in the file.

    Args:
        root: folder of the dataset.
        features: feature file with descriptors.
        output: match file.
        pairs: another list of pairs than the dataset's own.
        part: "i-of-n" for one stretch of n of the list, None for all of it; `gather_matches` puts them together.
        threads: pairs matched at a time, each by a process (`hndesc.processes`).
    """
    check_output_file(output, [features] if pairs is None else [features, pairs])
    scene = read_scene(root, pairs)
    with DescribedImages(features, ()) as reader:
        names = dict.fromkeys(name for pair in scene.pairs for name in pair)
        missing = {name: reader.failed.get(name, "not in the feature file") for name in names if name not in reader}
        if len(missing) == len(names):
            raise HndescError(f"{features}: has features of no image of {root}; was it made from another dataset?")
        for name, reason in missing.items():
            logger.warning("%s: no features of '%s' (%s); its pairs are left out", features, name, reason)
        listed = [pair for pair in scene.pairs if not missing.keys() & set(pair)]
        keys = {_key(*pair) for pair in listed}
        if len(keys) < len(listed):
            raise HndescError(f"{root}: two images whose names differ in '/' and '-' only; rename one")
        settings = {"matcher": "mutual_nearest", "features": reader.settings}
        stat = Path(features).stat()
        with MatchWriter(output, settings, missing, source=f"{stat.st_size} {stat.st_mtime_ns} {part}") as writer:
            _match(block_of(listed, part), reader, writer, threads)


def gather_matches(shards: Sequence[Path], output: Path) -> None:
    """Gather what `match_pairs` made of all parts into one match file, as if made in one piece."""
    gather(shards, output, MatchReader.what, lambda file: (f"{one}/{other}" for one in file for other in file[one]))


def _match(pairs: Sequence[tuple[str, str]], reader: DescribedImages, writer: "MatchWriter", threads: int) -> None:
    waiting = [pair for pair in pairs if pair not in writer]
    if len(waiting) < len(pairs):
        logger.info("%d of %d pairs were matched before; going on with the rest", len(pairs) - len(waiting), len(pairs))
    progress = tqdm(total=len(pairs), initial=len(pairs) - len(waiting), desc="matching", unit="pair", disable=None)
    with workers(_Matcher(reader, max(2, _CACHED_IMAGES // threads)), threads) as match, progress:
        for start in range(0, len(waiting), _BATCH):
            batch = waiting[start : start + _BATCH]
            for pair, (matches, scores) in zip(batch, match(batch), strict=True):
                writer.write(pair, matches, scores)
            writer.flush()
            progress.update(len(batch))


class _Matcher:
    """Matches pairs of images, some of which it keeps in memory; can be sent to another process."""

    def __init__(self, reader: DescribedImages, images: int) -> None:
        self._reader = reader
        self._images = images
        self._read = lru_cache(images)(reader.read)

    def __reduce__(self) -> tuple:
        return _Matcher, (self._reader, self._images)

    def __call__(self, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
        with named_pair(*pair):
            return _match_loaded(*map(self._read, pair))


def _match_loaded(first: Features, second: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return `matches0` and `matching_scores0` of a pair."""
    rows = match_features(first, second)
    matches = np.full(len(first), -1, np.int16 if len(second) < 2**15 else np.int32)
    scores = np.zeros(len(first), np.float16)
    matches[rows[:, 0]] = rows[:, 1]
    if len(rows):
        scores[rows[:, 0]] = np.einsum("kd,kd->k", first.descriptors[rows[:, 0]], second.descriptors[rows[:, 1]])
    return matches, scores


def _key(first: str, second: str) -> str:
    return f"{first.replace('/', '-')}/{second.replace('/', '-')}"


class MatchWriter:
    """Write a match file; use as a context manager.

    As in `hndesc.features.FeatureWriter`, pairs go into `<name>.part`, which becomes the output when the block
    succeeds, and from which an interrupted run with the same settings and the same `source` goes on.
    """

    def __init__(self, path: Path, settings: Mapping, missing: Mapping[str, str], source: str = "") -> None:
        self.path = check_output_file(path)
        self._file = open_part(self.path, settings=json.dumps(settings, sort_keys=True), source=source)
        self._file.attrs["missing"] = json.dumps(dict(missing))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            # Sizes and times of the machine have no place in the finished file.
            del self._file.attrs["source"]
        self._file.close()
        if kind is None:
            os.replace(part_of(self.path), self.path)

    def __contains__(self, pair: tuple[str, str]) -> bool:
        key = _key(*pair)
        return key in self._file and bool(self._file[key].attrs.get("complete"))

    def write(self, pair: tuple[str, str], matches: np.ndarray, scores: np.ndarray) -> None:
        """Store `matches0` and `matching_scores0` of a pair."""
        check_space(self.path, matches.nbytes + scores.nbytes)
        key = _key(*pair)
        if key in self._file:
            del self._file[key]
        group = self._file.create_group(key)
        group["matches0"], group["matching_scores0"] = matches, scores
        group.attrs["complete"] = True

    def flush(self) -> None:
        """Bring what was written to the disk."""
        self._file.flush()


class MatchReader(Reader):
    """Read a match file of this package or of hloc; use as a context manager."""

    what = "match file"

    @property
    def missing(self) -> dict[str, str]:
        """Images that had no features, with the reason."""
        return json.loads(self._file.attrs.get("missing", "{}"))

    def read(self, first: str, second: str) -> np.ndarray | None:
        """Return the matches of a pair, stored in either order: K x 2 int64 rows, None where there is none."""
        for key, order in ((_key(first, second), 1), (_key(second, first), -1)):
            if key in self._file:
                try:
                    matches = self._file[key]["matches0"][()].astype(np.int64)
                except BROKEN as error:
                    raise HndescError(f"{self.path}: pair '{key}' is broken ({error}); make the file again") from None
                rows = np.flatnonzero(matches >= 0)
                return np.stack([rows, matches[rows]], axis=1)[:, ::order]
        return None
