"""Descriptors of keypoints: OpenCV's SIFT, pretrained networks, networks trained by this package, and user classes.

`describe(image, features)` takes an RGB uint8 H x W x 3 image and keypoints in its pixels and returns N x D float32,
L2-normalized. `settings` is a JSON-serializable description of the descriptor with the origin of its weights.
"""

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.models.bundled import bundled_models
from hndesc.runtime.plugins import Registry
from hndesc.runtime.spelling import suggest

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
# A separate registry, since these are not names of descriptors: users name a file or a class.
NETWORKS = Registry(
    "descriptor",
    {
        "network": "hndesc.descriptors.network:NetworkDescriptor",
        "class": "hndesc.descriptors.custom:load_class",
    },
)


class Descriptor(Protocol):
    """The interface of a descriptor."""

    settings: dict

    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; return N x D float32, L2-normalized."""
        ...


def descriptor_module(name_or_file: str | Path) -> str:
    """Return the hndesc module of a descriptor, or of the wrapper of a network or class, without importing it."""
    registry, part = _registered(str(name_or_file))
    return registry.module(part)


def _registered(name: str) -> tuple[Registry, str]:
    """Return where a descriptor, or the wrapper of a network or class, is registered, and its name there."""
    if name in DESCRIPTORS.places:
        return DESCRIPTORS, name
    return NETWORKS, "class" if is_class(name) else "network"


def is_class(name: str) -> bool:
    """Return whether a name denotes a class, `module:Class`."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def class_file(name: str) -> Path:
    """Return the source file of the module of `module:Class`; the working directory is searched, too.

    Raises:
        HndescError: the module does not exist.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    module = name.partition(":")[0]
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # ValueError: modules without a spec, such as __main__
        found = None
    if found is None or found.origin is None or not os.path.isfile(found.origin):
        raise HndescError(
            f"descriptor '{name}': there is no Python module '{module}'; put {module.replace('.', '/')}.py into the "
            f"working directory ({os.getcwd()}) or install it"
        )
    return Path(found.origin)


def check_settings(name_or_file: str | Path, settings: Mapping[str, object]) -> None:
    """Refuse settings that a descriptor does not take, before its checkpoint or weights exist.

    Args:
        name_or_file: see `load_descriptor`; not a class.
        settings: further settings, see the class of the descriptor.
    """
    registry, part = _registered(str(name_or_file))
    registry.check(part, settings)


def load_descriptor(name_or_file: str | Path, weights: str | Path | None = None, **settings: object) -> Descriptor:
    """Return the descriptor of a name, checkpoint file or class.

    Args:
        name_or_file: a name of `DESCRIPTORS`, a bundled model (`hndesc.models.bundled`), a checkpoint (.safetensors)
            of this package, or `module:Class`.
        weights: file of pretrained weights, for the names and classes that need one.
        settings: settings of the descriptor, see its class.
    """
    name = str(name_or_file)
    if weights is not None:
        settings["weights"] = weights
    if name in DESCRIPTORS.places:
        return DESCRIPTORS.build(name, **settings)
    if is_class(name):
        return NETWORKS.load("class")(name, settings)
    path = bundled_models().get(name, Path(name))
    if not os.path.isfile(path):
        known = [*sorted(DESCRIPTORS.places), *bundled_models()]
        raise HndescError(
            f"'{name}' is neither a descriptor ({', '.join(known)}) nor an existing checkpoint file nor a class "
            f"(module:Class){suggest(name, known)}"
        )
    if weights is not None:
        raise HndescError(f"'{name}' contains its weights; leave out {weights}, or name it as the descriptor")
    return NETWORKS.build("network", checkpoint=path, **settings)
