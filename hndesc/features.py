"""The feature store: one HDF5 file of keypoints, and descriptors where there are any, in hloc's layout.

One group an image, named by its relative path, with `keypoints` (N x 2, (x, y), centre of the top-left pixel at
(0, 0)), `scores` (N), `descriptors` (D x N) and `image_size` (width, height). Detectors that know more of a keypoint
(`sizes`, `angles`) add it as further datasets of length N. The file's attribute `settings` (JSON) tells what made it.
An image that could not be processed has an empty group with the reason as its attribute `failed`.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

import h5py
import numpy as np

from hndesc.errors import HndescError
from hndesc.files import atomic_path, check_output_file, check_space
from hndesc.hdf5 import BROKEN, Reader, gather, open_bounded, open_part, part_of
from hndesc.provenance import file_hash

_FAILED = "failed"
_OWN = ("keypoints", "scores", "descriptors", "image_size")
# What h5py raises on damaged files, and numpy on values of another form.
_BROKEN = (*BROKEN, ValueError)
# By so much the length of a descriptor of another program may differ from 1; half precision takes some of it.
_UNIT = 0.01

T = TypeVar("T")


@dataclass(frozen=True)
class Features:
    """The features of one image.

    Attributes:
        keypoints: N x 2 float32, (x, y) in pixels of the original image.
        image_size: (width, height) of the original image in pixels.
        scores: N float32.
        descriptors: N x D float32 (or float16), None where only keypoints are stored.
        extra: further arrays of length N, e.g. `sizes` (diameter, pixels), `angles` (degrees).
    """

    keypoints: np.ndarray
    image_size: tuple[int, int]
    scores: np.ndarray
    descriptors: np.ndarray | None = None
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keypoints)

    def take(self, rows: np.ndarray) -> "Features":
        """Return the features at `rows` (indices or a mask)."""
        descriptors = None if self.descriptors is None else self.descriptors[rows]
        extra = {name: values[rows] for name, values in self.extra.items()}
        return Features(self.keypoints[rows], self.image_size, self.scores[rows], descriptors, extra)


class FeatureReader(Reader):
    """Read a feature file; use as a context manager."""

    what = "feature file"

    @property
    def failed(self) -> dict[str, str]:
        """Images that could not be read or processed, with the reason."""
        return self._walk(_failed)

    def names(self) -> list[str]:
        """Return the names of all images with features, sorted."""
        return self._walk(_names)

    def _walk(self, gather: Callable[[h5py.File], T]) -> T:
        try:
            return gather(self._file)
        except _BROKEN as error:
            raise HndescError(f"{self.path}: broken HDF5 file ({error}); delete it and make it again") from None

    def __contains__(self, name: str) -> bool:
        return f"{name}/keypoints" in self._file

    def reason(self, name: str) -> str | None:
        """Return why an image has no features, as the file tells it; None where it does not."""
        return self._walk(lambda file: file[name].attrs.get(_FAILED) if name in file else None)

    def read(self, name: str) -> Features:
        """Read the features of one image; a missing, cut-short or malformed entry is a HndescError."""
        if name not in self:
            reason = self.reason(name)
            cause = f"failed at extraction: {reason}" if reason else "was it made from another set of images?"
            raise HndescError(f"{self.path}: no features of '{name}' ({cause})")
        try:
            features = _read_group(self._file[name])
        except _BROKEN as error:
            raise HndescError(
                f"{self.path}: entry '{name}' is broken ({error}); delete the file and make it again"
            ) from None
        place = f"{self.path}: entry '{name}'"
        _check(features, place)
        if self._foreign and features.descriptors is not None:
            _check_lengths(features.descriptors, place)
        return features

    @cached_property
    def _foreign(self) -> bool:
        """Whether another program made the entries."""
        return "settings" not in self._file.attrs or "imported" in self.settings


def _read_group(group: h5py.Group) -> Features:
    stored = set(group)  # asked once: each look-up is a walk through the file
    keypoints = group["keypoints"][()].astype(np.float32)
    count = len(keypoints)
    if keypoints.shape != (count, 2):
        raise ValueError(f"keypoints of shape {keypoints.shape} instead of N x 2")
    size = group["image_size"][()] if "image_size" in stored else (0, 0)
    scores = group["scores"][()].reshape(-1) if "scores" in stored else np.ones(count, np.float32)
    descriptors = group["descriptors"][()].T if "descriptors" in stored else None
    others = {name: group[name] for name in sorted(stored.difference(_OWN))}
    rest = {name: item[()] for name, item in others.items() if isinstance(item, h5py.Dataset)}
    extra = {name: values for name, values in rest.items() if np.shape(values)[:1] == (count,)}
    return Features(keypoints, (int(size[0]), int(size[1])), scores, descriptors, extra)


def _check(features: Features, place: str) -> None:
    count = len(features.keypoints)
    for name, values in _arrays(features).items():
        if len(values) != count:
            raise HndescError(f"{place} has {count} keypoints but {len(values)} {name}; make the file again")
        if not np.isfinite(values).all():
            raise HndescError(f"{place} has non-finite {name}; the model or program that made them is at fault")


def _check_lengths(descriptors: np.ndarray, place: str) -> None:
    lengths = np.linalg.norm(descriptors.astype(np.float32), axis=1)
    wrong = (np.abs(lengths - 1) > _UNIT) & (lengths > _UNIT)
    if wrong.any():
        raise HndescError(f"{place} has a descriptor of length {lengths[wrong][0]:.3g}; scale each to length 1")


def _arrays(features: Features) -> dict[str, np.ndarray]:
    arrays = {"keypoints": features.keypoints, "scores": features.scores, **features.extra}
    return arrays if features.descriptors is None else arrays | {"descriptors": features.descriptors}


def _names(file: h5py.File) -> list[str]:
    return sorted(name for name, group in _entries(file) if _FAILED not in group.attrs)


def _failed(file: h5py.File) -> dict[str, str]:
    return {name: group.attrs[_FAILED] for name, group in _entries(file) if _FAILED in group.attrs}


def _entries(folder: h5py.Group, prefix: str = "") -> Iterator[tuple[str, h5py.Group]]:
    """Yield name and group of each image, failed ones as well."""
    for key, item in folder.items():
        if not isinstance(item, h5py.Group):
            continue
        if _FAILED in item.attrs or item.get("keypoints", getclass=True) is h5py.Dataset:
            yield prefix + key, item
        else:
            yield from _entries(item, f"{prefix}{key}/")


class FeatureWriter:
    """Write a feature file; use as a context manager.

    Entries go into `<name>.part` beside the output, which becomes the output when the block succeeds. An interrupted
    run with the same `settings` goes on from there: ask `name in writer` before computing an entry.

    Args:
        path: the output.
        settings: what makes the features, JSON-serialisable; stored in the file.
    """

    def __init__(self, path: str | os.PathLike, settings: Mapping) -> None:
        self.path = check_output_file(path)
        self._file = open_part(self.path, settings=json.dumps(settings, sort_keys=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            os.replace(part_of(self.path), self.path)

    def __contains__(self, name: str) -> bool:
        return name in self._file and bool(self._file[name].attrs.get("complete"))

    def write(self, name: str, features: Features) -> None:
        """Store the features of one image; descriptors are checked for NaN and length first."""
        _check(features, f"features of '{name}'")
        check_space(self.path, sum(values.nbytes for values in _arrays(features).values()))
        if name in self._file:
            del self._file[name]
        group = self._file.create_group(name)
        group["keypoints"] = features.keypoints.astype(np.float32)
        group["scores"] = features.scores.astype(np.float32)
        group["image_size"] = np.array(features.image_size, np.int64)
        if features.descriptors is not None:
            group["descriptors"] = np.ascontiguousarray(features.descriptors.T)
        for key, values in features.extra.items():
            group[key] = values
        group.attrs["complete"] = True
        self._file.flush()

    def fail(self, name: str, reason: str) -> None:
        """Record that an image has no entry, and why."""
        if name in self._file:
            del self._file[name]
        self._file.create_group(name).attrs[_FAILED] = reason
        self._file.flush()

    def keep_only(self, names: Iterable[str]) -> None:
        """Drop entries of an interrupted run whose images are no longer asked for."""
        for name in {*_names(self._file), *_failed(self._file)} - set(names):
            del self._file[name]


def merge(paths: Iterable[str | os.PathLike], output: str | os.PathLike) -> None:
    """Gather the entries of several feature files (shards made with equal settings) into one."""
    gather(paths, output, FeatureReader.what, lambda file: (*_names(file), *_failed(file)))


def import_features(source: str | os.PathLike, output: str | os.PathLike) -> None:
    """Make a feature file of another program's; its entries stay in that file, and are referred to.

    Args:
        source: an HDF5 file in hloc's layout, with descriptors of length 1.
        output: feature file, whose settings name the source.

    Raises:
        HndescError: a file that cannot be read, has no entries, or entries that are no described keypoints.
    """
    check_output_file(output, [source])
    with FeatureReader(source) as reader:
        names = reader.names()
        if not names:
            raise HndescError(f"{source}: no group with keypoints in it; hloc's layout is wanted (a group an image)")
        for name in {names[0], names[len(names) // 2], names[-1]}:
            if reader.read(name).descriptors is None:
                raise HndescError(f"{source}: entry '{name}' has no dataset 'descriptors' (D x N)")
        settings = reader.settings | {"imported": {"file": Path(source).name, "sha256": file_hash(source)}}
        with atomic_path(output) as temporary, open_bounded(temporary, "w") as target:
            target.attrs["settings"] = json.dumps(settings, sort_keys=True)
            place = os.path.relpath(source, Path(output).parent)
            for key in reader._file:
                target[key] = h5py.ExternalLink(place, key)
