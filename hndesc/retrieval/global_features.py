"""Files of global descriptors: HDF5 in the layout of hloc, one group per image with `global_descriptor` (D, float32).

The group of an unreadable image has the attribute `failed` (the reason) instead.
"""

import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError, ImageError, check_count
from hndesc.io.features import UNIT
from hndesc.io.files import check_output_file, check_space
from hndesc.io.hdf5 import (
    check_hdf5_output,
    check_own_hdf5,
    entries,
    find,
    has,
    make_group,
    named,
    open_hdf5,
    read_array,
    read_json,
    read_text,
    write_array,
    write_text,
)
from hndesc.io.images import resize_longest
from hndesc.io.resumable_hdf5 import filling
from hndesc.retrieval.global_descriptors import GlobalDescriptor, load_global_descriptor

RESIZE_MAX = 480
_WHAT, _VECTOR, _FAILED = "file of global descriptors", "global_descriptor", "failed"
logger = logging.getLogger(__name__)


def describe_in_memory(
    images: Mapping[str, ImageEntry], descriptor: str, resize_max: int | None = RESIZE_MAX
) -> tuple[np.ndarray, dict[str, str]]:
    """Describe images by one vector each without keeping a file; the arguments are those of `describe_globally`.

    Args:
        images: images by keys that name them here.

    Returns:
        Descriptors in the order of the images, float32 N x D, NaN for failed ones; keys of failed images and reasons.
    """
    with tempfile.TemporaryDirectory(prefix="hndesc-global-") as folder:
        store = Path(folder, "global.h5")
        describe_globally([replace(entry, name=key) for key, entry in images.items()], store, descriptor, resize_max)
        vectors, failed, _ = read_global(store, list(images))
    return vectors, failed


def describe_globally(
    images: Sequence[ImageEntry],
    output: str | os.PathLike,
    descriptor: str = "efficientnet_lite0",
    resize_max: int | None = RESIZE_MAX,
    weights: str | os.PathLike | None = None,
) -> None:
    """Describe each image by one vector; an interrupted run with equal settings and images is resumed.

    Args:
        images: images to describe; unreadable ones are skipped, logged and recorded.
        output: HDF5 file (see the module).
        descriptor: name in `GLOBAL_DESCRIPTORS`.
        resize_max: longest side in pixels; None keeps the size of images.
        weights: weights file of the descriptor, if it takes one.

    Raises:
        HndescError: the descriptor is unknown, or no image is readable.
    """
    resize_max = check_count("resize_max", resize_max)
    output = check_hdf5_output(output, [entry.path for entry in images])
    model = load_global_descriptor(descriptor, weights)
    settings = json.dumps({**model.settings, "resize_max": resize_max}, sort_keys=True)
    sources = {entry.name: entry.identity for entry in images}
    with filling(output, settings, entries=sources) as file:
        for entry in tqdm(images, desc="images described", disable=None):
            if f"{entry.name}/{_VECTOR}" not in file:
                check_space(output)
                _describe(entry, model, resize_max, file)
        if not any(f"{entry.name}/{_VECTOR}" in file for entry in images):
            raise HndescError(f"none of {len(images)} images is readable (first: '{images[0].path}'); see the warnings")


def scratch_of(output: str | os.PathLike) -> Path:
    """Return the temporary file of descriptors from which `output` is computed.

    Raises:
        HndescError: `output` cannot be written, or a foreign file has the name of the temporary file.
    """
    output = check_output_file(output)
    store = output.with_name(output.name + ".descriptors")
    check_own_hdf5(store)
    return store


def stored_names(path: str | os.PathLike) -> list[str]:
    """Return the names of all images in a file of global descriptors, including failed ones."""
    with open_hdf5(path, _WHAT) as file, named(f"{path}: not a complete {_WHAT}"):
        return [name for name, _ in entries(file, lambda group: has(group, _VECTOR) or _FAILED in group.attrs)]


def read_global(path: str | os.PathLike, names: Sequence[str]) -> tuple[np.ndarray, dict[str, str], dict]:
    """Read the descriptors of some images.

    Returns:
        Descriptors, float32 N x D, NaN for failed images; failed images and reasons; the settings of the file.
    """
    failed: dict[str, str] = {}
    vectors: dict[str, np.ndarray] = {}
    with open_hdf5(path, _WHAT) as file:
        with named(f"{path}: not a complete {_WHAT}"):
            settings = read_json(file, "settings")
        for name in names:
            with named(f"{path}: entry '{name}' is broken"):
                group = find(file, name)
                if not isinstance(group, h5py.Group):
                    raise HndescError(f"{path}: no global descriptor of '{name}'; compute the file for this dataset")
                if _FAILED in group.attrs:
                    failed[name] = read_text(group, _FAILED, "")
                else:
                    vectors[name] = _vector(group)
    dimension = len(next(iter(vectors.values()), ()))
    if other := [name for name, vector in vectors.items() if len(vector) != dimension]:
        raise HndescError(f"{path}: '{other[0]}' has a different number of dimensions; compute the file again")
    nothing = np.full(dimension, np.nan, np.float32)
    return np.stack([vectors.get(name, nothing) for name in names]), failed, settings


def _vector(group: h5py.Group) -> np.ndarray:
    with np.errstate(over="ignore"):
        vector = read_array(group, _VECTOR).astype(np.float32)
    if vector.ndim != 1 or not vector.size:
        raise ValueError(f"a global descriptor of shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError("a global descriptor that is not finite")
    if abs(length := np.linalg.norm(vector.astype(np.float64)) - 1) > UNIT:
        raise ValueError(f"a global descriptor of length {length + 1:.3g}; scale each to length 1")
    return vector


def _describe(entry: ImageEntry, model: GlobalDescriptor, resize_max: int | None, file: h5py.File) -> None:
    try:
        image = entry.read()
    except ImageError as error:
        logger.warning("skipped %s", error)
        write_text(make_group(file, entry.name), _FAILED, str(error))
        return
    group = make_group(file, entry.name)
    group.attrs.pop(_FAILED, None)  # fixed since an interrupted run
    write_array(group, _VECTOR, model.describe(resize_longest(image, resize_max)[0]))
    file.flush()
