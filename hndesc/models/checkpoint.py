"""Checkpoints: safetensors weights with a card that says what they are, inside the file and beside it as JSON.

Nothing is ever unpickled: a checkpoint from a stranger cannot run code.
"""

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hndesc import __version__
from hndesc.errors import HndescError
from hndesc.files import atomic_path, check_output_file, read_json, write_json
from hndesc.models import MODELS, build_model
from hndesc.models.backbone import Backbone
from hndesc.models.projected import PROJECTION, Projected, unprojected

_KEY = "hndesc"
_PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".tar"})


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
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {_KEY: json.dumps(card, allow_nan=False)})
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
        HndescError: missing, cut short, not a checkpoint of hndesc, of an unknown architecture, or weights of another
            shape than the architecture's.
    """
    path = Path(path)
    architecture = read_card(path).get("architecture")
    if architecture not in list(MODELS.places):
        known = ", ".join(sorted(MODELS.places))
        raise HndescError(f"{path}: unknown architecture '{architecture}' (known: {known}); update hndesc")
    model = build_model(architecture, "random")
    with safe_open(path, "pt") as file:
        if PROJECTION in file.keys():  # noqa: SIM118 (no container)
            model = Projected(model, file.get_slice(PROJECTION).get_shape()[0])
    return model.eval(), load_into(model, path)


def load_into(model: Backbone, path: str | Path) -> dict[str, Any]:
    """Load a checkpoint's weights into a model of the same architecture, or one that they fit; return the card.

    Of a checkpoint with projected descriptors, a model without a projection takes the rest.
    """
    path = Path(path)
    card = read_card(path)
    architecture = card.get("architecture")
    tensors = {
        name: values.float() if values.is_floating_point() else values for name, values in load_file(path).items()
    }
    if not isinstance(model, Projected):
        tensors = unprojected(tensors)
    adapted = tensors if architecture == model.name else model.adapt(architecture, tensors)
    if adapted is None:
        raise HndescError(f"{path}: a checkpoint of '{architecture}', not '{model.name}'; make the two agree")
    _check(path, adapted, model)
    model.load_state_dict(adapted)
    return card


def read_card(path: str | Path) -> dict[str, Any]:
    """Read the card embedded in a checkpoint without reading its weights."""
    path = Path(path)
    if not path.is_file():
        raise HndescError(f"{path}: no such checkpoint; train a model or check the path")
    if path.suffix.lower() in _PICKLES:
        raise HndescError(
            f"{path}: pickled weights are not opened as a checkpoint; give the .safetensors file that training writes"
        )
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise HndescError(f"{path}: not a complete safetensors file ({error}); train or fetch it again") from None
    try:
        card = json.loads(metadata[_KEY])
    except (KeyError, json.JSONDecodeError):
        card = None
    if not isinstance(card, dict):
        raise HndescError(f"{path}: a safetensors file without hndesc's card; give one that hndesc's training wrote")
    return card


def has_card(path: str | Path) -> bool:
    """Tell whether a file is a safetensors file with hndesc's card in it."""
    try:
        return bool(read_card(path))
    except HndescError:
        return False


def _check(path: Path, tensors: Mapping[str, Tensor], model: Backbone) -> None:
    expected = model.state_dict()
    wrong = [name for name in expected if name not in tensors or tensors[name].shape != expected[name].shape]
    wrong += [name for name in tensors if name not in expected]
    if wrong:
        raise HndescError(
            f"{path}: {len(wrong)} weights are missing, unknown or of another shape than those of '{model.name}' "
            f"({wrong[0]}, …); it is of another architecture or another version of hndesc: train it again"
        )
    broken = [name for name, values in tensors.items() if values.is_floating_point() and not values.isfinite().all()]
    if broken:
        raise HndescError(
            f"{path}: weights that are not finite ({broken[0]}, …); its training diverged: train it again"
        )


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
