"""Global descriptors: one vector a photo, whose dot products say how alike photos are.

A global descriptor has `describe(image: RGB uint8, H x W x 3) -> float32 D, L2-normalised`, for any image size, and
`settings` (a dict of what it is: name, provenance of weights, pooling).
"""

from typing import Protocol

import numpy as np

from hndesc.registry import Registry

GLOBAL_DESCRIPTORS = Registry(
    "global descriptor",
    {
        "efficientnet_lite0": "hndesc.global_descriptors.efficientnet:EfficientNetLite0",
        "color_gradient": "hndesc.global_descriptors.color_gradient:ColorGradient",
    },
)


class GlobalDescriptor(Protocol):
    """What every global descriptor offers."""

    settings: dict

    def describe(self, image: np.ndarray) -> np.ndarray:
        """Describe an image (RGB, uint8, H x W x 3) by a vector, float32 D, L2-normalised."""
        ...


def load_global_descriptor(name: str) -> GlobalDescriptor:
    """Build a global descriptor by its name in the registry."""
    return GLOBAL_DESCRIPTORS.load(name)()


def l2_normalize(vector: np.ndarray) -> np.ndarray:
    """Scale a vector to length 1, as float32; one without length becomes a uniform one."""
    length = np.linalg.norm(vector)
    if length == 0:
        return np.full(len(vector), len(vector) ** -0.5, np.float32)
    return (vector / length).astype(np.float32)
