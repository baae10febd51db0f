"""Global descriptors: one vector a photo, whose dot products say how alike photos are.

A global descriptor has `describe(image: RGB uint8, H x W x 3) -> float32 D, L2-normalized`, for any image size, and
`settings` (a dict of what it is: name, provenance of weights, pooling).
"""

import os
from typing import Protocol

import numpy as np

from hndesc.runtime.plugins import Registry

GLOBAL_DESCRIPTORS = Registry(
    "global descriptor",
    {
        "efficientnet_lite0": "hndesc.retrieval.global_descriptors.efficientnet:EfficientNetLite0",
        "color_gradient": "hndesc.retrieval.global_descriptors.color_gradient:ColorGradient",
        "dense": "hndesc.retrieval.global_descriptors.dense:Dense",
        "resnet50": "hndesc.retrieval.global_descriptors.resnet:ResNet50",
        "resnet101": "hndesc.retrieval.global_descriptors.resnet:ResNet101",
    },
)


class GlobalDescriptor(Protocol):
    """What every global descriptor offers."""

    settings: dict

    def describe(self, image: np.ndarray) -> np.ndarray:
        """Describe an image (RGB, uint8, H x W x 3) by a vector, float32 D, L2-normalized."""
        ...


def load_global_descriptor(name: str, weights: str | os.PathLike | None = None) -> GlobalDescriptor:
    """Build a global descriptor by its name in the registry.

    Args:
        name: a name in `GLOBAL_DESCRIPTORS`.
        weights: file of weights: a checkpoint for "dense", torchvision's for the ResNets; the others take none.

    Raises:
        HndescError: unknown name, or weights that are missing, not wanted or do not fit.
    """
    return GLOBAL_DESCRIPTORS.build(name, **({} if weights is None else {"weights": weights}))


def l2_normalize(vector: np.ndarray) -> np.ndarray:
    """Scale a vector to length 1, as float32; one without length becomes a uniform one."""
    length = np.linalg.norm(vector)
    if length == 0:
        return np.full(len(vector), len(vector) ** -0.5, np.float32)
    return (vector / length).astype(np.float32)
