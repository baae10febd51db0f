"""Import of torchvision when its compiled operators do not fit the installed torch.

The wheels of torchvision on PyPI are built for CUDA. With a CPU-only torch, their import fails because of an operator
that hndesc never uses. Declaring that operator makes the import succeed.
"""

import importlib
import sys
from functools import cache
from types import ModuleType

import torch

_MISSING = "operator torchvision::nms does not exist"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# Operators are removed when the library object that declared them is garbage-collected.
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
