"""Backbones: networks that turn a photo into a dense map of local descriptors, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hndesc.registry import Registry

if TYPE_CHECKING:
    from hndesc.models.backbone import Backbone

MODELS = Registry(
    "model",
    {
        "caps": "hndesc.models.caps:Caps",
        "lite": "hndesc.models.lite:Lite",
        "lite_pyramid": "hndesc.models.lite_pyramid:LitePyramid",
        "r2d2": "hndesc.models.r2d2:R2d2",
        "r2d2_pyramid": "hndesc.models.r2d2_pyramid:R2d2Pyramid",
        "r2d2_quarter": "hndesc.models.r2d2:R2d2Quarter",
    },
)


def build_model(name: str, weights: str | Path | None = None, seed: int = 0) -> Backbone:
    """Make a backbone with its initial weights.

    Args:
        name: a name in `MODELS`.
        weights: where training starts: "random", "imagenet" (caps: the encoder), a file (a checkpoint of hndesc, or
            the published weights that this backbone knows), or None for the backbone's own default.
        seed: of the random initialisation; the global random state is neither used nor changed.

    Raises:
        HndescError: unknown name, or weights that cannot be had or do not fit.
    """
    import torch

    from hndesc.models.pretrained import load_initial

    backbone = MODELS.load(name)
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed the GPUs, whose state is not restored here.
        torch.default_generator.manual_seed(seed)
        model = backbone()
    weights = backbone.default_weights if weights is None else weights
    if weights != "random":
        load_initial(model, weights)
    return model
