"""Global descriptors: one vector per image, whose dot products measure the similarity of images.

A global descriptor has a method `describe(image: RGB uint8, H x W x 3) -> float32 D, L2-normalized`, for any image
size, and `settings`, a dictionary with its name, pooling and the origin of its weights.
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
    """The interface of a global descriptor."""

    settings: dict

    def describe(self, image: np.ndarray) -> np.ndarray:
        """Describe an image (RGB, uint8, H x W x 3) by a vector, float32 D, L2-normalized."""
        ...


def load_global_descriptor(name: str, weights: str | os.PathLike | None = None) -> GlobalDescriptor:
    """Return a global descriptor by its name.

    Args:
        name: a name in `GLOBAL_DESCRIPTORS`.
        weights: weights file: a checkpoint for "dense", a file of torchvision for the ResNets; not used by others.

    Raises:
        HndescError: the name is unknown, or the weights are missing, not applicable or do not fit.
    """
    return GLOBAL_DESCRIPTORS.build(name, **({} if weights is None else {"weights": weights}))


def l2_normalize(vector: np.ndarray) -> np.ndarray:
    """Normalize a vector to length 1, as float32; a zero vector becomes uniform."""
    length = np.linalg.norm(vector)
    if length == 0:
        return np.full(len(vector), len(vector) ** -0.5, np.float32)
    return (vector / length).astype(np.float32)
