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


def load(model: "str | os.PathLike" = "hndesc-lite", **settings: object) -> "Model":
    """Load a bundled model; `hndesc.extraction.model.load` has the settings and the return value.

    >>> import hndesc
    >>> model = hndesc.load("hndesc-lite")
    >>> descriptors = model.describe("photo.jpg", keypoints)
    """
    from hndesc.extraction.model import load

    return load(model, **settings)
