"""A detector and a descriptor as one network, from image to keypoints and descriptors, for export to ONNX.

Its inputs and outputs are those of the ALIKED extractor of COLMAP 4, which loads such a file.

Inputs: `image`, 1 x 3 x H x W float32, RGB, 0 to 1; `max_keypoints`, int64 scalar; `min_score`, float32 scalar.
Outputs: `keypoints`, 1 x K x 2 float32, the centers of the outermost pixels at -1 and 1; `descriptors`, 1 x K x dim
float32, each of length 1; `scores`, 1 x K float32, descending. A keypoint (x, y) is at the pixel
((x + 1) / 2 * (W - 1), (y + 1) / 2 * (H - 1)), where the center of the top-left pixel is (0, 0). H, W and K are
dynamic; K may be 0.
"""

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from hndesc.detectors.hndesc import HndescDetector
from hndesc.errors import HndescError
from hndesc.models.backbone import Backbone
from hndesc.models.bundled import DETECTOR
from hndesc.models.checkpoint import load_checkpoint
from hndesc.models.inference import fold_batch_norm
from hndesc.models.keypoint_map import local_maxima, refine
from hndesc.models.keypoint_network import KeypointNetwork, load_weights
from hndesc.models.onnx_export import EXAMPLE, check_onnx_output, write_onnx
from hndesc.models.sampling import IMAGENET_MEAN, IMAGENET_STD, sample_map

OUTPUTS = ("keypoints", "descriptors", "scores")


class Extractor(nn.Module):
    """The network of a detector, selection of keypoints, and a backbone sampled at them.

    Args:
        detector: network of the detector.
        backbone: network of the descriptor.
        nms_radius: half the side of the window of non-maximum suppression in pixels.
        border: minimum distance of keypoints from the edges of the image in pixels.
    """

    def __init__(self, detector: KeypointNetwork, backbone: Backbone, nms_radius: int, border: int) -> None:
        super().__init__()
        self.detector, self.backbone = detector, backbone
        self.nms_radius, self.border = nms_radius, border
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor, max_keypoints: Tensor, min_score: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return keypoints, descriptors and scores; for shapes see the docstring of the module."""
        logits = self.detector(image)
        scores = logits.sigmoid()
        found = local_maxima(logits, self.nms_radius, self.border) & (scores > min_score)
        rows, columns = found[0].nonzero().unbind(dim=1)
        values = scores[0, rows, columns]
        ranked, order = values.topk(values.shape[0])
        # A mask instead of a slice, since the number is a tensor.
        kept = torch.arange(values.shape[0], device=values.device) < max_keypoints
        order, ranked = order[kept], ranked[kept]
        points = refine(logits, torch.stack([columns, rows], dim=1)[order][None])
        dense = self.backbone((image - self.mean) / self.std)
        last = points.new_tensor([image.shape[3] - 1, image.shape[2] - 1])
        return 2 * points / last - 1, sample_map(dense, points, self.backbone.stride), ranked[None]


def export_extractor(
    checkpoint: str | Path,
    output: str | Path,
    detector: str = "hndesc",
    detector_weights: str | os.PathLike | None = None,
) -> None:
    """Write a detector and a model of descriptors as one ONNX file.

    Args:
        checkpoint: .safetensors file of the model.
        output: file to write, with suffix .onnx.
        detector: name of the detector; only `hndesc` can be exported.
        detector_weights: file of its weights, None for the bundled ones.

    Raises:
        HndescError: a file is unusable, the suffix is wrong, the detector is another one, or `onnx` or `onnxscript` is
            not installed.
    """
    if detector != HndescDetector.name:
        raise HndescError(f"the detector '{detector}' cannot be exported; only '{HndescDetector.name}' can")
    weights = DETECTOR if detector_weights is None else Path(detector_weights)
    output = check_onnx_output(output, [checkpoint, weights])
    network, detector_card = load_weights(weights)
    backbone, card = load_checkpoint(checkpoint)
    for part in (network, backbone):
        fold_batch_norm(part)
    free = torch.export.Dim.DYNAMIC
    write_onnx(
        Extractor(network, backbone, HndescDetector.nms_radius, HndescDetector.border),
        {"image": torch.rand(EXAMPLE), "max_keypoints": torch.tensor(100), "min_score": torch.tensor(0.0)},
        OUTPUTS,
        {"image": {2: free, 3: free}, "max_keypoints": None, "min_score": None},
        {**card, "detector": detector_card},
        output,
    )
