"""Export of a model to ONNX, from image and keypoints to descriptors, including the normalization.

Inputs: `image`, 1 x 3 x H x W float32, RGB, 0 to 1, H and W at least 16; `keypoints`, 1 x N x 2 float32, (x, y) in
pixels of that image with the center of the top-left pixel at (0, 0), N at least 1. Output: `descriptors`, 1 x N x dim
float32, each of length 1. H, W and N are dynamic. The card of the model is stored in the metadata under `hndesc`.
"""

import importlib
import json
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

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
# The sides are odd numbers of 32 pixels when padded: if a half or a quarter of them were a multiple of 32, the padding
# of octaves would be left out of the file, which would fail on other sizes.
EXAMPLE = (1, 3, 282, 330)


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
    output = check_onnx_output(output, [checkpoint])
    model, card = load_checkpoint(checkpoint)
    free = torch.export.Dim.DYNAMIC
    write_onnx(
        ImageToDescriptors(fold_batch_norm(model)),
        {"image": torch.rand(EXAMPLE), "keypoints": torch.rand(1, 50, 2)},
        ["descriptors"],
        {"image": {2: free, 3: free}, "keypoints": {1: free}},
        card,
        output,
    )


def check_onnx_output(output: str | Path, inputs: Iterable[str | Path]) -> Path:
    """Return the path of an ONNX file to write after checking it, and that the packages are installed."""
    output = Path(output)
    if output.suffix != ".onnx":
        raise HndescError(f"{output}: an ONNX file must be named *.onnx")
    check_own_file(output, inputs)
    with extras_named():
        for package in EXTRAS["onnx"]:
            importlib.import_module(package)
    return output


def write_onnx(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    outputs: Sequence[str],
    shapes: Mapping[str, dict[int, Any] | None],
    card: Mapping[str, Any],
    path: Path,
) -> None:
    """Trace a network and write it as an ONNX file.

    Args:
        network: any network.
        examples: its inputs by name, in their order.
        outputs: names of its outputs.
        shapes: dynamic dimensions of each input.
        card: stored in the metadata.
        path: file to write.
    """
    logger.info("the network is traced and simplified, which takes some 20 seconds")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # torch warns of its own code
        program = torch.onnx.export(
            network.eval(),
            tuple(examples.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            verbose=False,
        )
    program.model.metadata_props["hndesc"] = json.dumps(card)
    with atomic_path(path) as temporary:
        program.save(temporary)
    logger.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
