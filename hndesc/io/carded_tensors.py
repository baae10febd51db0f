"""Safetensors files with a card: a JSON mapping that describes the tensors, and a checksum of both."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hndesc.errors import HndescError
from hndesc.io.files import atomic_path
from hndesc.io.tensor_files import embedded_card

_CHECKSUM = "checksum"


def write_carded(path: Path, key: str, card: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors and their card, below a key of the file's metadata, atomically.

    Args:
        path: file to write.
        key: of the metadata.
        card: description of the tensors, see `finite`.
        tensors: by name, on any device.
    """
    described: dict[str, Any] = finite(card)
    tensors = {name: values.detach().cpu().contiguous() for name, values in tensors.items()}
    text = json.dumps(described | {_CHECKSUM: checksum(described, tensors)}, allow_nan=False)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {key: text})


def read_carded(path: Path, key: str, cure: str) -> tuple[dict[str, Any] | None, str | None]:
    """Return the card of a file without its tensors, None if it has none, and the checksum, which older files lack.

    Raises:
        HndescError: not a complete safetensors file; the message ends with the cure.
    """
    card = embedded_card(path, key, cure)
    return card, None if card is None else card.pop(_CHECKSUM, None)


def load_carded(path: Path, card: Mapping[str, Any], expected: str | None, cure: str) -> dict[str, Tensor]:
    """Return the tensors of a file, compared with the checksum that `read_carded` returned beside its card.

    Raises:
        HndescError: tensors or card are not those that were written; the message ends with the cure.
    """
    tensors = load_file(path)
    if expected is not None and expected != checksum(card, tensors):
        raise HndescError(f"{path}: damaged, its weights or its card do not match its checksum; {cure}")
    return tensors


def checksum(card: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a card and of the names, types, shapes and values of tensors."""
    digest = hashlib.sha256(json.dumps(card, allow_nan=False).encode())
    for name in sorted(tensors):
        values = tensors[name]
        digest.update(f"\n{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def finite(value: Any) -> Any:
    """Return a value as JSON has it: arrays as lists, paths and keys as text, numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return finite(value.tolist())
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
