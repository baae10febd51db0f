"""Descriptors of keypoints: OpenCV's SIFT, and the networks that this package trains.

A descriptor is called by `describe(image, features)` with an RGB uint8 H x W x 3 image and keypoints in its pixels and
returns N x D float32, L2-normalised; its `settings` say in JSON what it is and which file its weights came from.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from hndesc.errors import HndescError
from hndesc.features import Features
from hndesc.registry import Registry

DESCRIPTORS = Registry(
    "descriptor",
    {
        "aliked": "hndesc.descriptors.aliked:AlikedDescriptor",
        "disk": "hndesc.descriptors.disk:DiskDescriptor",
        "r2d2": "hndesc.descriptors.r2d2:R2d2Descriptor",
        "rootsift": "hndesc.descriptors.sift:RootSiftDescriptor",
        "sift": "hndesc.descriptors.sift:SiftDescriptor",
        "superpoint": "hndesc.descriptors.superpoint:SuperPointDescriptor",
        "xfeat": "hndesc.descriptors.xfeat:XFeatDescriptor",
    },
)
# Apart, so that it is no name to ask for: a file is.
NETWORKS = Registry("descriptor", {"network": "hndesc.descriptors.network:NetworkDescriptor"})


class Descriptor(Protocol):
    """What every descriptor offers."""

    settings: dict

    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; N x D float32, L2-normalised."""
        ...


def descriptor_module(name_or_file: str | Path) -> str:
    """Return the module of a descriptor without importing it: a name's own, or that of networks for a file."""
    name = str(name_or_file)
    return DESCRIPTORS.module(name) if name in DESCRIPTORS.places else NETWORKS.module("network")


def load_descriptor(name_or_file: str | Path, weights: str | Path | None = None, **settings: object) -> Descriptor:
    """Make the descriptor of that name, or the network whose checkpoint file is given.

    Args:
        name_or_file: a name of `DESCRIPTORS`, or a checkpoint (.safetensors) of this package.
        weights: file of published weights, for the names that need one.
        settings: the descriptor's own, see its class.
    """
    name = str(name_or_file)
    if name in DESCRIPTORS.places:
        if weights is not None:
            settings["weights"] = weights
        return DESCRIPTORS.build(name, **settings)
    if not Path(name).is_file():
        names = ", ".join(sorted(DESCRIPTORS.places))
        raise HndescError(f"'{name}' is neither a descriptor ({names}) nor an existing checkpoint file")
    return NETWORKS.build("network", checkpoint=Path(name), **settings)
