"""Descriptors of a trained network, loaded from a checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from hndesc.io.features import Features
from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import load_checkpoint
from hndesc.models.inference import fold_batch_norm
from hndesc.models.sampling import normalize_images, sample_descriptors
from hndesc.runtime.devices import choose_device, choose_precision
from hndesc.runtime.memory import keep_freed_memory
from hndesc.runtime.provenance import file_hash
from hndesc.runtime.tiling import TILE, cut_at_points, padded

# Entries of the card that are copied into every feature file.
_ESSENTIALS = ("architecture", "dim", "seed", "version")
_SMALLEST = 16


class NetworkDescriptor:
    """Describe keypoints with a trained backbone.

    An image is processed in square tiles of at most `tile` pixels with a border of the receptive field, so that memory
    is bounded and the result equals that of the whole image.

    Attributes:
        steerer: dim x dim, of the checkpoint (`hndesc.models.backbone.Backbone`), or None.
        compute_precision: "float32" or "bfloat16".
        settings: name, hash and main properties of the checkpoint, and `compute_precision` unless it is float32.
        parameters: number of learned parameters, those of batch normalization included.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        device: str = "auto",
        tile: int = TILE,
        steered: bool = True,
        compute_precision: str = "auto",
    ) -> None:
        """Load the checkpoint once.

        Args:
            checkpoint: .safetensors file with a card of hndesc.
            device: "auto" (a GPU if there is one) or a torch device.
            tile: side in pixels of a tile without its border.
            steered: whether rotated views (`hndesc.descriptors.views`) are computed by the steerer, if there is one.
            compute_precision: "float32", "bfloat16" (the network alone; sampling and normalization in float32), or
                "auto": bfloat16 on CUDA GPUs of compute capability 8 or higher and CPUs with AMX, else float32.

        Raises:
            HndescError: the checkpoint is unusable, or the device or precision is not available.
        """
        checkpoint = Path(checkpoint)
        model, card = load_checkpoint(checkpoint)
        self.parameters = sum(values.numel() for values in model.parameters())
        self.steerer = model.steerer.numpy() if steered and model.steerer is not None else None
        self.device = choose_device(device)
        self.compute_precision = choose_precision(compute_precision, self.device)
        self.model: Backbone = fold_batch_norm(model).to(self.device, memory_format=torch.channels_last)
        self.tile = -(-tile // model.period) * model.period
        # Interpolation between two cells includes the farther one.
        self.border = -(-(model.reach + model.stride) // model.period) * model.period
        self.settings: dict[str, Any] = {
            "name": checkpoint.stem,
            "sha256": file_hash(checkpoint),
            **{key: card[key] for key in _ESSENTIALS if key in card},
            "dim": model.dim,
            **({} if self.steerer is None else {"steered": True}),
            **({} if self.compute_precision == "float32" else {"compute_precision": self.compute_precision}),
        }

    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an image.

        Args:
            image: H x W x 3, RGB, uint8.
            features: keypoints in pixels of that image.

        Returns:
            N x dim float32, L2-normalized.
        """
        points = np.asarray(features.keypoints, np.float32)
        descriptors = np.zeros((len(points), self.model.dim), np.float32)
        for (left, top, right, bottom), chosen in cut_at_points(image.shape[:2], points, self.tile, self.border):
            corner = np.array((left, top), np.float32)  # MPS has no 64-bit numbers
            descriptors[chosen] = self._run(image[top:bottom, left:right], points[chosen] - corner)
        return descriptors

    @torch.inference_mode()
    def _run(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        keep_freed_memory()
        image = padded(image, _SMALLEST)
        batch = normalize_images(torch.from_numpy(image)[None].to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.compute_precision == "bfloat16"):
            dense = self.model(batch)
        sampled = sample_descriptors(dense, torch.from_numpy(points)[None].to(self.device), image.shape[:2])
        return sampled[0].cpu().numpy()
