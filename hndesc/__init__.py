"""hndesc: local image descriptors learned from single photographs.

After "Digging Into Self-Supervised Learning of Feature Descriptors" (Melekhov et al., 3DV 2021).
"""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hndesc.extraction.model import Model

# Idle OpenMP threads sleep instead of spinning. If cores are shared with other processes or with worker processes,
# training is several times faster. The variable is read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _one_thread() -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


# A forked process does not inherit the OpenMP threads of its parent and would deadlock waiting for them.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_one_thread)

__version__ = "0.2.0"


def load(
    model: "str | os.PathLike" = "hndesc-fast",
    detector: str = "sift",
    detector_weights: "str | os.PathLike | None" = None,
    max_keypoints: int | None = None,
    device: str = "auto",
    compute_precision: str = "auto",
) -> "Model":
    """Load a bundled model, or a checkpoint that hndesc has trained.

    Examples:
        >>> import hndesc
        >>> model = hndesc.load()
        >>> keypoints, descriptors = model.extract("photo.jpg")

    Args:
        model: name (listed by `hndesc models`) or .safetensors file.
        detector: detector for `extract`: sift, superpoint, r2d2, disk, aliked or xfeat.
        detector_weights: file of pretrained weights, for all detectors except sift.
        max_keypoints: maximum number of keypoints per image, the strongest ones; None for all.
        device: "auto" (a CUDA GPU if there is one, else the CPU), or a torch device: "cpu", "cuda:1", "mps".
        compute_precision: of the network: "float32", "bfloat16", or "auto" (bfloat16 on GPUs and CPUs with units for
            it, else float32).

    Raises:
        hndesc.errors.HndescError: the model, detector, weights file, device or precision does not exist.
    """
    from hndesc.extraction.model import load

    return load(model, detector, detector_weights, max_keypoints, device, compute_precision)
