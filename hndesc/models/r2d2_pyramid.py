"""R2D2's network, at each fourth pixel, on an image pyramid."""

from collections.abc import Mapping

from torch import Tensor

from hndesc.models.pyramid import OCTAVES, Pyramid
from hndesc.models.r2d2 import R2d2, R2d2Quarter


class R2d2Pyramid(Pyramid):
    """An `R2d2Quarter` of its own for each octave; training best starts from a checkpoint of `r2d2_quarter`."""

    name = "r2d2_pyramid"
    dim = len(OCTAVES) * R2d2.dim
    stride = R2d2Quarter.stride
    period = OCTAVES[-1] * R2d2Quarter.period
    # A tower's, in the last octave's pixels; enlarging takes part of the next cell, too.
    reach = OCTAVES[-1] * R2d2Quarter.reach + 14
    multiple = period

    def __init__(self) -> None:
        super().__init__(R2d2Quarter)

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Give each octave the weights of one network at full resolution or at each fourth pixel."""
        return self.repeat(weights) if architecture in (R2d2.name, R2d2Quarter.name) else None
