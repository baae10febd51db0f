"""The feature store: one HDF5 file of keypoints, and descriptors where there are any, in hloc's layout.

One group an image, named by its relative path, with `keypoints` (N x 2, (x, y), center of the top-left pixel at
(0, 0)), `scores` (N), `descriptors` (D x N) and `image_size` (width, height). Detectors that know more of a keypoint
(`sizes`, `angles`) add it as further datasets of length N. Keypoints that are described in further views of the
image have `views` (4 x N x D), too. The file's attribute `settings` (JSON) records how it was made.
An image that could not be processed has an empty group with the reason as its attribute `failed`. Of an image that was
rotated by its EXIF tag, the attribute `exif_orientation` is the value of that tag.

Files of other programs are read as they are; links in them are not followed (`hndesc.io.hdf5`). The one exception are
the external links of `import_features`: they lead to the file that its settings name, which is then read itself.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from hndesc.errors import HndescError, ImageError
from hndesc.io.files import check_space
from hndesc.io.hdf5 import (
    Reader,
    check_hdf5_output,
    encoded,
    entries,
    find,
    has,
    keys,
    make_group,
    named,
    open_hdf5,
    read_array,
    read_json,
    read_text,
    write_array,
    write_text,
    written_hdf5,
)
from hndesc.io.resumable_hdf5 import filling, gather
from hndesc.runtime.provenance import file_hash, file_identity

_FAILED, _ORIENTATION = "failed", "exif_orientation"
_OWN = ("keypoints", "scores", "descriptors", "views", "image_size")
# Tolerance of the norm of a descriptor; half precision uses some of it.
UNIT = 0.01
_LARGEST = 2**31  # pixels of a side
_VIEWS = 4
_BEYOND = 1  # pixel by which a keypoint may lie outside of its image


@dataclass(frozen=True)
class Features:
    """The features of one image.

    Attributes:
        keypoints: N x 2 float32, (x, y) in pixels of the original image.
        image_size: (width, height) of the original image in pixels.
        scores: N float32.
        descriptors: N x D float32 (or float16), None where only keypoints are stored.
        extra: further arrays of length N, e.g. `sizes` (diameter, pixels), `angles` (degrees).
        orientation: value of the EXIF tag by which the image was rotated, 1 for an image as it is stored.
        views: 4 x N x D, descriptors in further views of the image (`hndesc.descriptors.views`), or None.
    """

    keypoints: np.ndarray
    image_size: tuple[int, int]
    scores: np.ndarray
    descriptors: np.ndarray | None = None
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    orientation: int = 1
    views: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.keypoints)

    def take(self, rows: np.ndarray) -> "Features":
        """Return the features at `rows` (indices or a mask)."""
        descriptors = None if self.descriptors is None else self.descriptors[rows]
        views = None if self.views is None else self.views[:, rows]
        extra = {name: values[rows] for name, values in self.extra.items()}
        return replace(
            self,
            keypoints=self.keypoints[rows],
            scores=self.scores[rows],
            descriptors=descriptors,
            extra=extra,
            views=views,
        )


class FeatureReader(Reader):
    """Read a feature file; use as a context manager."""

    what = "feature file"

    def _open(self) -> None:
        super()._open()
        self._own = self._file  # has the settings; the entries of an imported file are in another
        source = self._imported_from()
        if source is not None:
            self._file = open_hdf5(source, f"file; {self.path} refers to its features. Import them again")

    def _imported_from(self) -> Path | None:
        """Return the file that `import_features` referred to."""
        imported = self.settings.get("imported")
        with named(f"{self.path}: broken HDF5 file"):
            key = next(keys(self._own), None)
            link = None if key is None else self._own.get(encoded(key), getlink=True)
        if imported is None or not isinstance(link, h5py.ExternalLink):
            return None
        if imported.get("file") != os.path.basename(link.filename):
            raise HndescError(f"{self.path}: its links lead to another file than its settings name; import it again")
        places = [folder / link.filename for folder in (self.path.parent, self.path.resolve().parent)]
        return next((place for place in places if place.is_file()), places[0])

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._own.close()

    def __getstate__(self) -> dict:
        return {name: value for name, value in super().__getstate__().items() if name != "_own"}

    @property
    def settings(self) -> dict:
        """The settings that made the file; empty for files of other programs."""
        with named(f"{self.path}: not a {self.what}"):
            return _checked(read_json(self._own, "settings"))

    @property
    def identity(self) -> str:
        """The identity of the file and of the file that it refers to."""
        return "\n".join(file_identity(file.filename) for file in (self._own, self._file))

    @property
    def failed(self) -> dict[str, str]:
        """Images that could not be read or processed, with the reason."""
        with named(f"{self.path}: broken HDF5 file"):
            return _failed(self._file)

    def names(self) -> list[str]:
        """Return the names of all images with features, sorted."""
        with named(f"{self.path}: broken HDF5 file"):
            return _names(self._file)

    def __contains__(self, name: str) -> bool:
        group = self._group(name)
        return group is not None and has(group, "keypoints")

    def reason(self, name: str) -> str | None:
        """Return the recorded reason why an image has no features, or None."""
        group = self._group(name)
        with named(f"{self.path}: entry '{name}' is broken"):
            return None if group is None else read_text(group, _FAILED)

    def _group(self, name: str) -> h5py.Group | None:
        with named(f"{self.path}: entry '{name}' is broken"):
            group = find(self._file, name)
            return group if isinstance(group, h5py.Group) else None

    def read(self, name: str) -> Features:
        """Read the features of one image; a missing, damaged or malformed entry is a HndescError."""
        group = self._group(name)
        if group is None or not has(group, "keypoints"):
            reason = self.reason(name)
            cause = f"failed at extraction: {reason}" if reason else "was it made from another set of images?"
            raise HndescError(f"{self.path}: no features of '{name}' ({cause})")
        place = f"{self.path}: entry '{name}'"
        with named(f"{place} is broken"):
            features = _read_group(group)
        _check(features, place)
        return features


def check_inside(keypoints: np.ndarray, size: tuple[int, int], place: str) -> None:
    """Refuse keypoints outside an image of (width, height): they belong to another image or are scaled.

    The keypoints of other programs may have the center of the top-left pixel at (0.5, 0.5) or (1, 1), and those near
    the edge may be refined to beyond it.
    """
    outside = ((keypoints < -_BEYOND) | (keypoints > np.array(size) + _BEYOND)).any(axis=1)
    if outside.any():
        x, y = keypoints[outside][0]
        raise HndescError(
            f"{place} has {outside.sum()} of {len(keypoints)} keypoints outside its {size[0]} x {size[1]} pixels, the "
            f"first at ({x:g}, {y:g}); give the keypoints of this image"
        )


def _checked(settings: dict) -> dict:
    """Return settings after checking the parts that other steps use."""
    if not isinstance(settings.get("imported"), dict | None):
        raise ValueError("'imported' in its attribute 'settings' is no JSON object")
    size = settings.get("resize_max")
    if size is not None and (type(size) is not int or size < 1):
        raise ValueError("'resize_max' in its attribute 'settings' is not a number of pixels")
    return settings


def _read_group(group: h5py.Group) -> Features:
    stored = set(group)  # asked once: each look-up is a walk through the file
    with np.errstate(over="ignore"):
        keypoints = read_array(group, "keypoints").astype(np.float32)
    if keypoints.ndim != 2 or keypoints.shape[1] != 2:
        raise ValueError(f"keypoints of shape {keypoints.shape} instead of N x 2")
    count = len(keypoints)
    scores = read_array(group, "scores").reshape(-1) if "scores" in stored else np.ones(count, np.float32)
    descriptors = read_array(group, "descriptors").T if "descriptors" in stored else None
    if descriptors is not None and (descriptors.ndim != 2 or not descriptors.shape[1]):
        raise ValueError(f"descriptors of shape {descriptors.T.shape} instead of D x N")
    views = None
    if descriptors is not None and "views" in stored:
        views = read_array(group, "views")
        if views.shape != (_VIEWS, *descriptors.shape):
            raise ValueError(f"views of shape {views.shape} instead of {_VIEWS} x {count} x {descriptors.shape[1]}")
    extra = {name: read_array(group, name) for name in sorted(stored.difference(_OWN)) if _is_extra(group, name, count)}
    size = _image_size(group) if "image_size" in stored else (0, 0)
    return Features(keypoints, size, scores, descriptors, extra, _orientation(group), views)


def _orientation(group: h5py.Group) -> int:
    value = group.attrs.get(_ORIENTATION, 1)
    if not isinstance(value, int | np.integer) or not 1 <= value <= 8:
        raise ValueError(f"attribute '{_ORIENTATION}' is no value of the EXIF tag")
    return int(value)


def _image_size(group: h5py.Group) -> tuple[int, int]:
    size = read_array(group, "image_size")
    if size.shape != (2,) or not ((size >= 0) & (size < _LARGEST)).all():
        raise ValueError("'image_size' is no width and height in pixels")
    return int(size[0]), int(size[1])


def _is_extra(group: h5py.Group, name: str, count: int) -> bool:
    item = find(group, name)
    return isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu" and (item.shape or ())[:1] == (count,)


def _check(features: Features, place: str) -> None:
    count = len(features.keypoints)
    for name, values in _arrays(features).items():
        if name != "views" and len(values) != count:
            raise HndescError(f"{place} has {count} keypoints but {len(values)} {name}; make the file again")
        if not np.isfinite(values).all():
            raise HndescError(f"{place} has non-finite {name}; the model or program that made them is at fault")
    if features.descriptors is not None and count:
        _check_descriptors(features.descriptors, place)
    for view in features.views if features.views is not None and count else ():
        _check_descriptors(view, f"{place}, further views,")


def _check_descriptors(descriptors: np.ndarray, place: str) -> None:
    check_lengths(descriptors, place)
    if not descriptors.any():
        raise HndescError(f"{place} has descriptors that are all zero; the program that made them is at fault")


def check_lengths(descriptors: np.ndarray, place: str) -> None:
    """Refuse descriptors (N x D) with a row whose length is neither 1 nor 0.

    Raises:
        HndescError: there is one; the message begins with `place`.
    """
    values = descriptors.astype(np.float32, copy=False)
    lengths = np.sqrt(np.einsum("nd,nd->n", values, values))
    right = (np.abs(lengths - 1) <= UNIT) | (lengths <= UNIT)  # neither for values that are not finite
    if not right.all():
        raise HndescError(f"{place} has a descriptor of length {lengths[~right][0]:.3g}; scale each to length 1")


def _arrays(features: Features) -> dict[str, np.ndarray]:
    arrays = {"keypoints": features.keypoints, "scores": features.scores, **features.extra}
    described = {"descriptors": features.descriptors, "views": features.views}
    return arrays | {name: values for name, values in described.items() if values is not None}


def _names(file: h5py.File) -> list[str]:
    return sorted(name for name, group in entries(file, _is_image) if _FAILED not in group.attrs)


def _failed(file: h5py.File) -> dict[str, str]:
    return {name: read_text(group, _FAILED, "") for name, group in entries(file, _is_image) if _FAILED in group.attrs}


def _is_image(group: h5py.Group) -> bool:
    """Return whether a group belongs to an image, including failed ones."""
    return _FAILED in group.attrs or (has(group, "keypoints") and not isinstance(find(group, "keypoints"), h5py.Group))


class FeatureWriter:
    """Write a feature file; use as a context manager.

    Entries go into `<name>.part` next to the output, which becomes the output when the block succeeds. An interrupted
    run with the same `settings` and sources resumes there: ask `name in writer` before computing an entry.

    Args:
        path: the output.
        settings: what makes the features, JSON-serializable; stored in the file.
        source: what all entries are made from (`hndesc.runtime.provenance.file_identity`); not stored in the finished
            file.
        entries: by name what each entry is made from besides; entries of other names or sources are dropped. None: all
            are kept.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        settings: Mapping,
        source: str = "",
        entries: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self._filling = filling(self.path, json.dumps(settings, sort_keys=True), source, entries)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._file = stack.enter_context(self._filling)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def __contains__(self, name: str) -> bool:
        group = find(self._file, name)
        return group is not None and bool(group.attrs.get("complete"))

    def write(self, name: str, features: Features) -> None:
        """Store the features of one image.

        Raises:
            ImageError: its descriptors are all zero.
            HndescError: arrays that differ in number, values that are not finite, descriptors not of length 1.
        """
        if features.descriptors is not None and len(features) and not features.descriptors.any():
            raise ImageError(
                f"features of '{name}' has descriptors that are all zero: the image is flat at its keypoints"
            )
        _check(features, f"features of '{name}'")
        check_space(self.path, sum(values.nbytes for values in _arrays(features).values()))
        group = self._anew(name)
        write_array(group, "keypoints", features.keypoints.astype(np.float32))
        write_array(group, "scores", features.scores.astype(np.float32))
        write_array(group, "image_size", np.array(features.image_size, np.int64))
        if features.descriptors is not None:
            write_array(group, "descriptors", np.ascontiguousarray(features.descriptors.T))
        if features.views is not None:
            write_array(group, "views", features.views)
        for key, values in features.extra.items():
            write_array(group, key, values)
        if features.orientation != 1:
            group.attrs[_ORIENTATION] = features.orientation
        group.attrs["complete"] = True
        self._file.flush()

    def fail(self, name: str, reason: str) -> None:
        """Record that an image has no entry, and why."""
        write_text(self._anew(name), _FAILED, reason)
        self._file.flush()

    def _anew(self, name: str) -> h5py.Group:
        if name in self._file:
            del self._file[name]
        return make_group(self._file, name)


def merge(paths: Iterable[str | os.PathLike], output: str | os.PathLike) -> None:
    """Gather the entries of several feature files (shards made with equal settings) into one."""
    gather(paths, output, FeatureReader.what, lambda file: (*_names(file), *_failed(file)))


def import_features(source: str | os.PathLike, output: str | os.PathLike) -> None:
    """Make a feature file that links to the entries of another program's file.

    Args:
        source: an HDF5 file in hloc's layout, with descriptors of length 1.
        output: feature file, whose settings name the source.

    Raises:
        HndescError: a file that cannot be read, has no entries, or entries that are no described keypoints.
    """
    check_hdf5_output(output, [source])
    with FeatureReader(source) as reader:
        names = reader.names()
        if not names:
            raise HndescError(f"{source}: no group with keypoints; expected the layout of hloc (one group per image)")
        for name in {names[0], names[len(names) // 2], names[-1]}:
            if reader.read(name).descriptors is None:
                raise HndescError(f"{source}: entry '{name}' has no dataset 'descriptors' (D x N)")
        source = reader._file.filename  # what an imported file refers to, rather than that file
        settings = reader.settings | {"imported": {"file": os.path.basename(source), "sha256": file_hash(source)}}
        with written_hdf5(output) as target:
            write_text(target, "settings", json.dumps(settings, sort_keys=True))
            place = os.path.relpath(source, Path(output).parent)
            for key in map(encoded, keys(reader._file)):
                target[key] = h5py.ExternalLink(place, key)
