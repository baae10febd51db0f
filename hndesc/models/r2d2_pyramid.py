"""The network of R2D2 at every fourth pixel, on an image pyramid."""

from collections.abc import Mapping

from torch import Tensor

from hndesc.models.pyramid import OCTAVES, Pyramid
from hndesc.models.r2d2 import R2d2, R2d2Quarter


class R2d2Pyramid(Pyramid):
    """One `R2d2Quarter` per octave; training should start from a checkpoint of `r2d2_quarter`."""

    name = "r2d2_pyramid"
    dim = len(OCTAVES) * R2d2.dim
    stride = R2d2Quarter.stride
    period = OCTAVES[-1] * R2d2Quarter.period
    # That of a tower in pixels of the last octave, plus the next cell, which contributes to upsampling.
    reach = OCTAVES[-1] * R2d2Quarter.reach + 14
    multiple = period

    def __init__(self) -> None:
        super().__init__(R2d2Quarter)

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Initialize each octave with the weights of `r2d2` or `r2d2_quarter`."""
        return self.repeat(weights) if architecture in (R2d2.name, R2d2Quarter.name) else None
