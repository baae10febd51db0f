"""Importing torchvision where its compiled operators do not go with the installed torch.

The registry's wheels are built for CUDA; beside a CPU-only torch their import ends in an error about an operator that
hndesc never uses. Declaring that operator lets the import through.
"""

import importlib
import sys
from functools import cache
from types import ModuleType

import torch

_MISSING = "operator torchvision::nms does not exist"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# A library's operators vanish with the object that declared them.
_libraries: list[torch.library.Library] = []


@cache
def torchvision_models() -> ModuleType:
    """Import and return `torchvision.models`."""
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + _SCHEMA)
    _libraries.append(library)
    return importlib.import_module("torchvision.models")
