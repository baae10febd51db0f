"""Checkpoints: safetensors weights with a card that says what they are, inside the file and beside it as JSON.

Nothing is ever unpickled: a checkpoint from a stranger cannot run code.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from hndesc import __version__
from hndesc.errors import HndescError
from hndesc.io.files import atomic_path, check_output_file, read_json, write_json
from hndesc.io.tensor_files import check_tensors, probe, regular_file
from hndesc.models import bundled
from hndesc.models.architectures import MODELS, new_model
from hndesc.models.backbone import Backbone
from hndesc.models.projected import PROJECTION, Projected, unprojected
from hndesc.models.sampling import SHORTEST, normalize_images
from hndesc.runtime.provenance import file_hash

_KEY = "hndesc"
_CHECKSUM = "checksum"
_PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".tar"})
_LEAST_LENGTH = 0.99
_AGAIN = "train or fetch it again"
# Entries of the card that others read, and their types.
_TYPES = {
    **dict.fromkeys(("settings", "data", "versions", "metrics", "about", "projection"), dict),
    **{"seed": int, "dim": int, "stride": int, "version": str, "name": str, "trained": bool, "scores": list},
}


def save_checkpoint(path: str | Path, model: Backbone, card: Mapping[str, Any], half: bool = False) -> None:
    """Write a model and its card, `<name>.safetensors` and `<name>.json`, each atomically.

    Args:
        path: file to write, suffix .safetensors.
        model: the backbone, on any device.
        card: what is to be known of it (settings, data, seed, metrics, …); the architecture, its dimension and stride
            and the version of hndesc are added. Numbers that are not finite become null.
        half: write the weights of convolutions in float16; they are float32 again when read.
    """
    path = Path(path)
    check_checkpoint(path)
    own = {"architecture": model.name, "dim": model.dim, "stride": model.stride, "version": __version__}
    card = _finite(own | dict(card) | own)
    tensors = {name: values.detach().cpu().contiguous() for name, values in model.state_dict().items()}
    if half:
        tensors = {name: values.half() if values.dim() == 4 else values for name, values in tensors.items()}
    text = json.dumps(dict(card) | {_CHECKSUM: _checksum(card, tensors)}, allow_nan=False)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {_KEY: text})
    write_json(path.with_suffix(".json"), card)


def check_checkpoint(path: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse a checkpoint to write that has another suffix, would destroy an input, or whose card is another's file."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise HndescError(f"{path}: a checkpoint must be named *.safetensors")
    check_output_file(path, inputs)
    beside = path.with_suffix(".json")
    check_output_file(beside, inputs)
    if beside.exists():
        with suppress(HndescError):
            if "architecture" in read_json(beside):
                return
        raise HndescError(f"{beside}: exists and is no card of a checkpoint; move it away or rename {path.name}")


def load_checkpoint(path: str | Path) -> tuple[Backbone, dict[str, Any]]:
    """Read a checkpoint: the model, in evaluation mode on the CPU, and its card.

    Raises:
        HndescError: missing, cut short or damaged, not a checkpoint of hndesc, of an unknown architecture, weights of
            another shape than the architecture's or that describe nothing, or a card that does not go with them.
    """
    path = Path(path)
    card = read_card(path)
    _check_bundled(path)
    model = new_model(card["architecture"])
    with safe_open(path, "pt") as file:
        shape = file.get_slice(PROJECTION).get_shape() if PROJECTION in file.keys() else None  # noqa: SIM118
    if shape is not None:
        if len(shape) != 2 or not 1 <= shape[0] <= model.dim or shape[1] != model.dim:
            raise HndescError(f"{path}: a projection of shape {shape}; at most {model.dim} x {model.dim} is wanted")
        model = Projected(model, shape[0])
    said = {"dim": model.dim, "stride": model.stride}
    lies = [f"{key} is {card[key]}, not {value}" for key, value in said.items() if card.get(key, value) != value]
    if isinstance(model, Projected) != ("projection" in card):
        lies.append("only one of card and weights has a projection")
    if lies:
        raise HndescError(f"{path}: its card does not go with its weights ({'; '.join(lies)}); {_AGAIN}")
    return model.eval(), load_into(model, path)


def _check_bundled(path: Path) -> None:
    """Compare the file of a bundled model, some of which have no checksum in them, with the hash in the card beside."""
    expected = read_json(path.with_suffix(".json")).get("sha256") if path.parent == bundled.FOLDER else None
    if expected is not None and file_hash(path) != expected:
        raise HndescError(
            f"{path}: damaged, its hash is not that of the model that comes with hndesc; install it again"
        )


def load_into(model: Backbone, path: str | Path) -> dict[str, Any]:
    """Load a checkpoint's weights into a model of the same architecture, or one that they fit; return the card.

    Of a checkpoint with projected descriptors, a model without a projection takes the rest.
    """
    path = Path(path)
    card, checksum = _read(path)
    architecture = card["architecture"]
    tensors: Mapping[str, Tensor] = load_file(path)
    if checksum is not None and checksum != _checksum(card, tensors):
        raise HndescError(f"{path}: damaged, its weights or its card differ from its checksum; {_AGAIN}")
    if not isinstance(model, Projected):
        tensors = unprojected(tensors)
    adapted = tensors if architecture == model.name else model.adapt(architecture, tensors)
    if adapted is None:
        raise HndescError(f"{path}: a checkpoint of '{architecture}', not '{model.name}'; make the two agree")
    expected = model.state_dict()
    tensors = check_tensors(str(path), adapted, expected, model.name, _AGAIN)
    if unknown := sorted(adapted.keys() - expected.keys()):
        raise HndescError(
            f"{path}: {len(unknown)} of its tensors are unknown to '{model.name}' ('{unknown[0]}', …); {_AGAIN}"
        )
    model.load_state_dict(tensors)
    check_descriptors(str(path), model, _AGAIN)
    return card


def check_descriptors(source: str, model: Backbone, cure: str) -> None:
    """Make sure that a model describes small pictures by finite descriptors that have a length and differ.

    Raises:
        HndescError: it does not; the message names the source of the weights and ends with the cure.
    """

    def work(image: np.ndarray) -> list[Tensor]:
        dense = model(normalize_images(image[None]))
        lengths = functional.normalize(dense, dim=1, eps=SHORTEST).norm(dim=1)
        if lengths.isfinite().all() and lengths.max() < _LEAST_LENGTH:
            raise HndescError(f"{source}: with these weights '{model.name}' gives descriptors without length; {cure}")
        return [dense]

    training = model.training
    model.eval()
    probe(source, model.name, work, cure)
    model.train(training)


def read_card(path: str | Path) -> dict[str, Any]:
    """Read the card embedded in a checkpoint without reading its weights."""
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return the card, and the checksum of card and weights; files of older versions have none."""
    regular_file(path, "checkpoint", "train a model or check the path")
    if path.suffix.lower() in _PICKLES:
        raise HndescError(
            f"{path}: pickled weights are not opened as a checkpoint; give the .safetensors file that training writes"
        )
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise HndescError(f"{path}: not a complete safetensors file ({error}); {_AGAIN}") from None
    try:
        card = json.loads(metadata[_KEY])
    except (KeyError, ValueError, RecursionError):
        card = None
    if not isinstance(card, dict):
        raise HndescError(f"{path}: a safetensors file without hndesc's card; give one that hndesc's training wrote")
    checksum = card.pop(_CHECKSUM, None)
    _check_card(path, card)
    return card, checksum


def _check_card(path: Path, card: Mapping[str, Any]) -> None:
    """Raise a HndescError for a card whose entries are of another kind, or contradict each other."""
    architecture = card.get("architecture")
    if architecture not in list(MODELS.places):
        known = ", ".join(sorted(MODELS.places))
        raise HndescError(f"{path}: unknown architecture '{architecture}' (known: {known}); update hndesc")
    wrong = [key for key, kind in _TYPES.items() if key in card and type(card[key]) is not kind]
    if not wrong and card.get("settings", {}).get("architecture", architecture) != architecture:
        wrong = ["settings.architecture"]
    if wrong:
        raise HndescError(f"{path}: its card is broken: '{wrong[0]}' cannot be {_short(card, wrong[0])}; {_AGAIN}")


def _short(card: Mapping[str, Any], key: str) -> str:
    value: Any = card
    for part in key.split("."):
        value = value[part]
    return f"{value!r:.60}"


def _checksum(card: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a card and of the names, types, shapes and values of tensors."""
    digest = hashlib.sha256(json.dumps(card, allow_nan=False).encode())
    for name in sorted(tensors):
        values = tensors[name]
        digest.update(f"\n{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def has_card(path: str | Path) -> bool:
    """Tell whether a file is a safetensors file with hndesc's card in it."""
    try:
        return bool(read_card(path))
    except HndescError:
        return False


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _finite(value.tolist())
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
