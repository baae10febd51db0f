"""User-defined descriptor classes, `module:Class`, with checks of their output."""

import importlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hndesc.descriptors import class_file
from hndesc.errors import HndescError
from hndesc.io.features import Features, check_lengths
from hndesc.runtime.plugins import check_arguments
from hndesc.runtime.provenance import file_hash

logger = logging.getLogger(__name__)


class ClassDescriptor:
    """Describe keypoints with a user-defined object.

    Attributes:
        settings: settings of the object, if any, its class, the hash of the file that defines the class, and the
            arguments that it was made with: of a file, its hash.
    """

    def __init__(self, name: str, described_by: Any, source: Path, given: Mapping[str, object]) -> None:
        self.name = name
        self.described_by = described_by
        own = getattr(described_by, "settings", {})
        if not isinstance(own, Mapping):
            raise HndescError(f"descriptor '{name}': its 'settings' are no mapping")
        self.settings = {"name": name.partition(":")[2], **own, "class": name, "source": file_hash(source)}
        if given:
            self.settings["given"] = {key: _recorded(value) for key, value in given.items()}
        try:
            json.dumps(self.settings, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise HndescError(f"descriptor '{name}': its settings cannot be stored as JSON ({error})") from None

    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; return N x D float32, L2-normalized.

        Raises:
            HndescError: the object does not return such an array.
        """
        try:
            values = np.asarray(self.described_by.describe(image, features))
        except Exception as error:  # somebody's own code, who needs the traceback
            logger.exception("descriptor '%s' fails", self.name)
            raise HndescError(f"descriptor '{self.name}': describe raised {type(error).__name__}: {error}") from error
        if values.ndim != 2 or len(values) != len(features) or values.dtype.kind != "f":
            raise HndescError(
                f"descriptor '{self.name}': describe returned {values.dtype} of shape {values.shape} for "
                f"{len(features)} keypoints; expected floating-point N x D"
            )
        check_lengths(values, f"descriptor '{self.name}': the result of describe")
        return values.astype(np.float32)


def load_class(name: str, settings: Mapping[str, object]) -> ClassDescriptor:
    """Instantiate a class `module:Class` with `settings`.

    Raises:
        HndescError: the module or class does not exist, the class does not accept the settings, or it has no method
            `describe`.
    """
    source = class_file(name)
    module, _, attribute = name.partition(":")
    try:
        kind = getattr(importlib.import_module(module), attribute, None)
    except Exception as error:  # the module is somebody's own code
        raise HndescError(f"descriptor '{name}': {source} fails ({type(error).__name__}: {error})") from error
    if not callable(kind):
        raise HndescError(f"descriptor '{name}': {source} has no class '{attribute}'")
    check_arguments(kind, settings, f"descriptor '{name}'")
    made = kind(**settings)
    if not callable(getattr(made, "describe", None)):
        raise HndescError(f"descriptor '{name}': it has no method describe(image, features)")
    return ClassDescriptor(name, made, source, settings)


def _recorded(value: object) -> object:
    """Return a setting as it is stored: a file by its content instead of its name."""
    if isinstance(value, str | os.PathLike):
        return file_hash(Path(value)) if os.path.isfile(value) else os.fspath(value)
    return value
