"""Global descriptors on disk: HDF5 in hloc's layout, a group a photo with `global_descriptor` (D, float32).

A photo that could not be read has a group with the attribute `failed` (the reason) instead.
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from hndesc.errors import HndescError, ImageError
from hndesc.files import check_output_file, check_space
from hndesc.global_descriptors import GlobalDescriptor, load_global_descriptor
from hndesc.hdf5 import check_own_hdf5, open_hdf5, open_part, part_of
from hndesc.images import resize_longest
from hndesc.photos import Photo

RESIZE_MAX = 480
logger = logging.getLogger(__name__)


def describe_globally(
    photos: Sequence[Photo],
    output: str | os.PathLike,
    descriptor: str = "efficientnet_lite0",
    resize_max: int | None = RESIZE_MAX,
    weights: str | os.PathLike | None = None,
) -> None:
    """Describe each photo by one vector; an interrupted run with equal settings goes on where it stopped.

    Args:
        photos: what to describe; broken ones are skipped, warned about and recorded.
        output: HDF5 file (see the module).
        descriptor: name in `GLOBAL_DESCRIPTORS`.
        resize_max: longest side in pixels; None leaves photos as they are.
        weights: file of the descriptor's weights, where it takes one.

    Raises:
        HndescError: unknown descriptor, or no photo that can be read.
    """
    output = check_output_file(output, [photo.path for photo in photos])
    model = load_global_descriptor(descriptor, weights)
    settings = json.dumps({**model.settings, "resize_max": resize_max}, sort_keys=True)
    with open_part(output, settings=settings) as file:
        for photo in tqdm(photos, desc="photos described", disable=None):
            if f"{photo.name}/global_descriptor" not in file:
                check_space(output)
                _describe(photo, model, resize_max, file)
        if not any(f"{photo.name}/global_descriptor" in file for photo in photos):
            raise HndescError(f"none of {len(photos)} photos can be read, '{photos[0].path}' first; see the warnings")
    os.replace(part_of(output), output)


def scratch_of(output: str | os.PathLike) -> Path:
    """Return where descriptors are stored while `output`, which is made from them, is worked on.

    Raises:
        HndescError: `output` cannot be written, or another file has the name of that store.
    """
    output = check_output_file(output)
    store = output.with_name(output.name + ".descriptors")
    check_own_hdf5(store)
    return store


def stored_names(path: str | os.PathLike) -> list[str]:
    """Return the names of all photos in a file of global descriptors, failed ones as well."""
    with open_hdf5(path, "file of global descriptors") as file:
        return list(_walk(file))


def _walk(folder: h5py.Group, prefix: str = "") -> Iterator[str]:
    for key, item in folder.items():
        if "global_descriptor" in item or "failed" in item.attrs:
            yield prefix + key
        else:
            yield from _walk(item, f"{prefix}{key}/")


def read_global(path: str | os.PathLike, names: Sequence[str]) -> tuple[np.ndarray, dict[str, str], dict]:
    """Read the descriptors of some photos.

    Returns:
        float32 N x D, a row a name, NaN for photos that failed; those photos with the reason; what made the file.
    """
    try:
        with open_hdf5(path, "file of global descriptors") as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise HndescError(f"{path}: no global descriptor of '{missing[0]}'; make the file from this dataset")
            failed = {name: file[name].attrs["failed"] for name in names if "failed" in file[name].attrs}
            vectors = {name: file[name]["global_descriptor"][()] for name in names if name not in failed}
            settings = json.loads(file.attrs.get("settings", "{}"))
    except (OSError, KeyError, ValueError) as error:
        raise HndescError(f"{path}: not a complete file of global descriptors ({error}); make it again") from None
    dimension = len(next(iter(vectors.values()), ()))
    nothing = np.full(dimension, np.nan, np.float32)
    return np.stack([vectors.get(name, nothing) for name in names]).astype(np.float32), failed, settings


def _describe(photo: Photo, model: GlobalDescriptor, resize_max: int | None, file: h5py.File) -> None:
    try:
        image = photo.read()
    except ImageError as error:
        logger.warning("%s: skipped: %s", photo.name, error)
        file.require_group(photo.name).attrs["failed"] = str(error)
        return
    group = file.require_group(photo.name)
    group.attrs.pop("failed", None)  # mended since an interrupted run
    group["global_descriptor"] = model.describe(resize_longest(image, resize_max)[0])
    file.flush()
