"""Backbones by name: networks that turn an image into a dense map of local descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hndesc.runtime.plugins import Registry

if TYPE_CHECKING:
    from hndesc.models.backbone import Backbone

MODELS = Registry(
    "model",
    {
        "caps": "hndesc.models.caps:Caps",
        "fast": "hndesc.models.fast:Fast",
        "fast_pyramid": "hndesc.models.fast:FastPyramid",
        "lite": "hndesc.models.lite:Lite",
        "lite_pyramid": "hndesc.models.lite_pyramid:LitePyramid",
        "r2d2": "hndesc.models.r2d2:R2d2",
        "r2d2_pyramid": "hndesc.models.r2d2_pyramid:R2d2Pyramid",
        "r2d2_quarter": "hndesc.models.r2d2:R2d2Quarter",
    },
)

# The pyramid whose octaves have the weights of a backbone.
PYRAMIDS = {
    "fast": "fast_pyramid",
    "lite": "lite_pyramid",
    "r2d2": "r2d2_pyramid",
    "r2d2_quarter": "r2d2_pyramid",
}


def new_model(name: str, seed: int = 0) -> Backbone:
    """Return a backbone with random weights.

    Args:
        name: a name in `MODELS`.
        seed: seed of the weights; the global random state is neither used nor changed.

    Raises:
        HndescError: the name is unknown.
    """
    import torch

    backbone = MODELS.load(name)
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed the GPUs, whose state is not restored here.
        torch.default_generator.manual_seed(seed)
        return backbone()
