"""Export of a model to ONNX, from image and keypoints to descriptors, including the normalization.

Inputs: `image`, 1 x 3 x H x W float32, RGB, 0 to 1, H and W at least 16; `keypoints`, 1 x N x 2 float32, (x, y) in
pixels of that image with the center of the top-left pixel at (0, 0), N at least 1. Output: `descriptors`, 1 x N x dim
float32, each of length 1. H, W and N are dynamic. The card of the model is stored in the metadata under `hndesc`.
"""

import importlib
import json
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from hndesc.errors import HndescError
from hndesc.io.files import atomic_path, check_own_file
from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import load_checkpoint
from hndesc.models.inference import fold_batch_norm
from hndesc.models.sampling import IMAGENET_MEAN, IMAGENET_STD, sample_map
from hndesc.runtime.extras import EXTRAS, extras_named

logger = logging.getLogger(__name__)

OPSET = 18
_EXAMPLE = (1, 3, 250, 330)  # any size works


class ImageToDescriptors(nn.Module):
    """A backbone with normalization and sampling, for export."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor, keypoints: Tensor) -> Tensor:
        """Return the descriptors of keypoints; for shapes see the docstring of the module."""
        return sample_map(self.backbone((image - self.mean) / self.std), keypoints, self.backbone.stride)


def export_onnx(checkpoint: str | Path, output: str | Path) -> None:
    """Write a checkpoint as an ONNX file.

    Args:
        checkpoint: .safetensors file with a card of hndesc.
        output: file to write, with suffix .onnx.

    Raises:
        HndescError: the checkpoint is unusable, the suffix is wrong, or `onnx` or `onnxscript` is not installed.
    """
    output = Path(output)
    if output.suffix != ".onnx":
        raise HndescError(f"{output}: an ONNX file must be named *.onnx")
    check_own_file(output, [checkpoint])
    with extras_named():
        for package in EXTRAS["onnx"]:
            importlib.import_module(package)
    model, card = load_checkpoint(checkpoint)
    logger.info("the network is traced and simplified, which takes some 20 seconds")
    free = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # torch warns of its own code
        program = torch.onnx.export(
            ImageToDescriptors(fold_batch_norm(model.eval())).eval(),
            (torch.rand(_EXAMPLE), torch.rand(1, 50, 2)),
            dynamo=True,
            opset_version=OPSET,
            input_names=["image", "keypoints"],
            output_names=["descriptors"],
            dynamic_shapes={"image": {2: free, 3: free}, "keypoints": {1: free}},
            verbose=False,
        )
    program.model.metadata_props["hndesc"] = json.dumps(card)
    with atomic_path(output) as temporary:
        program.save(temporary)
    logger.info("%s: %.1f MB", output, output.stat().st_size / 1e6)
