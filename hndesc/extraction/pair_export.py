"""Export of a detector and a descriptor as one file, from image to keypoints and descriptors.

Inputs: `image`, 1 x 3 x H x W float32, RGB, 0 to 1; `max_keypoints`, int64 scalar; `min_score`, float32 scalar.
Outputs: `keypoints`, 1 x K x 2 float32; `descriptors`, 1 x K x dim float32, each of length 1; `scores`, 1 x K float32,
descending. H, W and K are dynamic; K may be 0. The center of the top-left pixel is (0, 0).

A signature says how keypoints are given: `pixels`, or `colmap`, as the ALIKED extractor of COLMAP 4 takes them: the
centers of the outermost pixels are at -1 and 1, so that (x, y) is the pixel ((x + 1) / 2 * (W - 1),
(y + 1) / 2 * (H - 1)).
"""

import json
import os
import warnings
from pathlib import Path

import torch

from hndesc.errors import HndescError
from hndesc.extraction.pair_network import load_pair
from hndesc.io.files import atomic_path, check_own_file, names_hndesc
from hndesc.models.onnx_export import EXAMPLE, check_onnx_output, write_onnx

OUTPUTS = ("keypoints", "descriptors", "scores")
SIGNATURES = ("colmap", "pixels")
CARD = "card.json"  # of a TorchScript file


def export_pair_onnx(
    checkpoint: str | Path,
    output: str | Path,
    detector: str = "hndesc",
    detector_weights: str | os.PathLike | None = None,
    signature: str = "colmap",
    precision: str = "float32",
) -> None:
    """Write a detector and a model of descriptors as one ONNX file.

    Args:
        checkpoint: .safetensors file of the model.
        output: file to write, with suffix .onnx.
        detector: name of the detector; only `hndesc` can be exported.
        detector_weights: file of its weights, None for the bundled ones.
        signature: "colmap" or "pixels", see above.
        precision: "float32" or "float16", see `hndesc.models.onnx_export`; inputs and outputs are float32.

    Raises:
        HndescError: a file is unusable, the suffix is wrong, a name is unknown, or `onnx` or `onnxscript` is not
            installed.
    """
    relative = _is_relative(signature)
    output = check_onnx_output(output, _inputs(checkpoint, detector_weights), precision)
    network, card = load_pair(checkpoint, detector, detector_weights, relative)
    write_onnx(
        network,
        dict(zip(("image", "max_keypoints", "min_score"), _example(), strict=True)),
        OUTPUTS,
        {"image": {2: "height", 3: "width"}} | {name: {1: "count"} for name in OUTPUTS},
        card,
        output,
        precision,
    )


def export_pair_torchscript(
    checkpoint: str | Path,
    output: str | Path,
    detector: str = "hndesc",
    detector_weights: str | os.PathLike | None = None,
    signature: str = "pixels",
) -> None:
    """Write a detector and a model of descriptors as one TorchScript file, which libtorch loads without Python.

    Args:
        checkpoint: .safetensors file of the model.
        output: file to write, with suffix .pt.
        detector: name of the detector; only `hndesc` can be exported.
        detector_weights: file of its weights, None for the bundled ones.
        signature: "colmap" or "pixels", see above.

    Raises:
        HndescError: a file is unusable, the suffix is wrong, or a name is unknown.
    """
    relative, output = _is_relative(signature), Path(output)
    if output.suffix != ".pt":
        raise HndescError(f"{output}: a TorchScript file must be named *.pt")
    check_own_file(output, _inputs(checkpoint, detector_weights), names_hndesc)
    network, card = load_pair(checkpoint, detector, detector_weights, relative)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # sizes are tensors while tracing, which torch regards as constants
        traced = torch.jit.trace(network, _example(), check_trace=False)
        with atomic_path(output) as temporary:
            torch.jit.save(traced, temporary, {CARD: json.dumps(card)})


def _example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.rand(EXAMPLE), torch.tensor(100), torch.tensor(0.0)


def _inputs(*files: str | os.PathLike | None) -> list[str | os.PathLike]:
    return [file for file in files if file is not None]


def _is_relative(signature: str) -> bool:
    if signature not in SIGNATURES:
        raise HndescError(f"signature '{signature}' is unknown; choose {' or '.join(SIGNATURES)}")
    return signature == "colmap"
