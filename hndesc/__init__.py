"""hndesc: local image descriptors learned from single photographs.

After "Digging Into Self-Supervised Learning of Feature Descriptors" (Melekhov et al., 3DV 2021).
"""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hndesc.extraction.model import Model

# Threads of OpenMP that wait for each other sleep instead of spinning: where cores are shared, with other processes or
# with our own workers, training is several times faster. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _one_thread() -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


# A forked process has none of its parent's threads of OpenMP, and would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_one_thread)

__version__ = "0.2.0"


def load(
    model: "str | os.PathLike" = "hndesc-lite",
    detector: str = "sift",
    detector_weights: "str | os.PathLike | None" = None,
    max_keypoints: int | None = None,
    device: str = "auto",
) -> "Model":
    """Load a bundled model, or a checkpoint that hndesc has trained.

    >>> import hndesc
    >>> model = hndesc.load("hndesc-lite")
    >>> keypoints, descriptors = model.extract("photo.jpg")

    Args:
        model: its name (`hndesc models` lists them), or a .safetensors file.
        detector: what finds keypoints where none are given: sift, superpoint, r2d2, disk, aliked or xfeat.
        detector_weights: file of published weights, for all detectors but sift.
        max_keypoints: the strongest so many of a photo, None for all.
        device: "auto" (a CUDA GPU where there is one, else the CPU), or a device of torch: "cpu", "cuda:1", "mps".

    Raises:
        hndesc.errors.HndescError: no such model, detector, file of weights or device.
    """
    from hndesc.extraction.model import load

    return load(model, detector, detector_weights, max_keypoints, device)
