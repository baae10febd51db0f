"""Shorter descriptors: a backbone followed by a projection."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from hndesc.models.backbone import Backbone

PROJECTION = "projection"
_NETWORK = "network."


class Projected(Backbone):
    """A backbone whose descriptors are multiplied by a matrix.

    Args:
        network: backbone.
        dim: length of the shorter descriptors.

    Attributes:
        projection: dim x network.dim.
    """

    def __init__(self, network: Backbone, dim: int) -> None:
        super().__init__()
        self.network = network
        self.name, self.dim = network.name, dim
        self.stride, self.period, self.reach = network.stride, network.period, network.reach
        self.register_buffer(PROJECTION, torch.zeros(dim, network.dim))

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""
        return functional.conv2d(self.network(images), self.projection[:, :, None, None])


def unprojected(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the weights without the projection, if there is one."""
    if PROJECTION not in weights:
        return weights
    return {name.removeprefix(_NETWORK): values for name, values in weights.items() if name.startswith(_NETWORK)}
