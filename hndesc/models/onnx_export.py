"""Export of a model to ONNX, from image and keypoints to descriptors, including the normalization.

Inputs: `image`, 1 x 3 x H x W float32, RGB, 0 to 1, H and W at least 16; `keypoints`, 1 x N x 2 float32, (x, y) in
pixels of that image with the center of the top-left pixel at (0, 0), N at least 1. Output: `descriptors`, 1 x N x dim
float32, each of length 1. H, W and N are dynamic. The card of the model is stored in the metadata under `hndesc`.

With the precision `float16`, weights and sums of convolutions are in half precision, and all else in float32.
"""

import importlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from hndesc.errors import HndescError
from hndesc.io.files import atomic_path, check_own_file, names_hndesc
from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import load_checkpoint
from hndesc.models.inference import fold_batch_norm
from hndesc.models.sampling import IMAGENET_MEAN, IMAGENET_STD, sample_map
from hndesc.runtime.extras import EXTRAS, extras_named

if TYPE_CHECKING:
    from onnxscript import ir

logger = logging.getLogger(__name__)

OPSET = 18
PRECISIONS = ("float32", "float16")
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


def export_onnx(checkpoint: str | Path, output: str | Path, precision: str = "float32") -> None:
    """Write a checkpoint as an ONNX file.

    Args:
        checkpoint: .safetensors file with a card of hndesc.
        output: file to write, with suffix .onnx.
        precision: "float32" or "float16".

    Raises:
        HndescError: the checkpoint is unusable, the suffix or the precision is wrong, or `onnx` or `onnxscript` is not
            installed.
    """
    output = check_onnx_output(output, [checkpoint], precision)
    model, card = load_checkpoint(checkpoint)
    write_onnx(
        ImageToDescriptors(fold_batch_norm(model)),
        {"image": torch.rand(EXAMPLE), "keypoints": torch.rand(1, 50, 2)},
        ["descriptors"],
        {"image": {2: "height", 3: "width"}, "keypoints": {1: "count"}, "descriptors": {1: "count"}},
        card,
        output,
        precision,
    )


def check_onnx_output(output: str | Path, inputs: Iterable[str | os.PathLike], precision: str) -> Path:
    """Return the path of an ONNX file to write; check it, its precision, and that the packages are installed."""
    if precision not in PRECISIONS:
        raise HndescError(f"precision '{precision}' is unknown; choose {' or '.join(PRECISIONS)}")
    output = Path(output)
    if output.suffix != ".onnx":
        raise HndescError(f"{output}: an ONNX file must be named *.onnx")
    check_own_file(output, inputs, names_hndesc)
    with extras_named():
        for package in EXTRAS["onnx"]:
            importlib.import_module(package)
    return output


def write_onnx(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    card: Mapping[str, Any],
    path: Path,
    precision: str = "float32",
) -> None:
    """Trace a network and write it as an ONNX file.

    Args:
        network: any network.
        examples: its inputs by name, in their order.
        outputs: names of its outputs.
        axes: names of the dynamic dimensions of inputs and outputs.
        card: stored in the metadata.
        path: file to write.
        precision: "float32" or "float16".
    """
    from onnxscript import ir

    model = _trace(network.eval(), examples, outputs, axes)
    if precision == "float16":
        halve_convolutions(model)
    model.metadata_props["hndesc"] = json.dumps(card)
    with atomic_path(path) as temporary:
        ir.save(model, temporary)
    logger.info("%s: %.1f MB", path, path.stat().st_size / 1e6)


@torch.no_grad()
def _trace(
    network: nn.Module, examples: Mapping[str, Tensor], outputs: Sequence[str], axes: Mapping[str, Mapping[int, str]]
) -> "ir.Model":
    import onnx
    from onnxscript import ir

    buffer, inputs = io.BytesIO(), tuple(examples.values())
    with warnings.catch_warnings():
        # Of constants (sizes are tensors while tracing), and that this exporter is deprecated. The one by torch.export
        # derives all sizes as formulas, which takes 30 times as long.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            inputs,
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_axes=axes,
        )
    model = ir.from_proto(onnx.load_model_from_string(buffer.getvalue()))
    # Tracing leaves some sizes of outputs open that do not vary, such as that of descriptors, which COLMAP checks.
    found = network(*inputs)
    for value, result in zip(model.graph.outputs, [found] if isinstance(found, Tensor) else found, strict=True):
        value.shape = ir.Shape([axes.get(value.name, {}).get(dim, size) for dim, size in enumerate(result.shape)])
    return model


def halve_convolutions(model: "ir.Model") -> None:
    """Make all convolutions of a graph half precision, with float32 before and after them, in place."""
    from onnxscript import ir

    for node in [node for node in model.graph if node.op_type == "Conv"]:
        for index, value in enumerate(node.inputs):
            if value is not None:
                node.replace_input_with(index, _halved(value, node, model.graph))
        (output,) = node.outputs
        users = list(output.uses())
        output.dtype = ir.DataType.FLOAT16
        cast = ir.node("Cast", [output], {"to": ir.DataType.FLOAT})
        model.graph.insert_after(node, cast)
        for user, index in users:
            user.replace_input_with(index, cast.outputs[0])
    for name in [name for name, value in model.graph.initializers.items() if not value.uses()]:
        del model.graph.initializers[name]


def _halved(value: "ir.Value", node: "ir.Node", graph: "ir.Graph") -> "ir.Value":
    """Return an input of a node in half precision: stored weights converted, others cast before the node."""
    from onnxscript import ir

    if value.is_initializer() and value.const_value is not None:
        weights = ir.tensor(value.const_value.numpy().astype(np.float16))
        return graph.initializers.setdefault(
            f"{value.name}_float16", ir.Value(name=f"{value.name}_float16", const_value=weights)
        )
    cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT16})
    graph.insert_before(node, cast)
    return cast.outputs[0]
