"""Checkpoints: safetensors weights with a card that describes them, inside the file and next to it as JSON.

Nothing is unpickled, so an untrusted checkpoint cannot run code.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from hndesc import __version__
from hndesc.errors import HndescError
from hndesc.io.carded_tensors import finite, load_carded, read_carded, write_carded
from hndesc.io.files import check_output_file, check_own_file, names_hndesc, read_json, write_json
from hndesc.io.tensor_files import check_tensors, probe, regular_file
from hndesc.models import bundled
from hndesc.models.architectures import MODELS, PYRAMIDS, new_model
from hndesc.models.backbone import STEERER, Backbone
from hndesc.models.projected import PROJECTION, Projected, unprojected
from hndesc.models.sampling import SHORTEST, normalize_images
from hndesc.runtime.provenance import file_hash

_KEY = "hndesc"
_PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".tar"})
_LEAST_LENGTH = 0.99
_ROUNDING = 0.01  # of inner products of rows of a steerer, also in half precision
_CURE = "train the model or fetch the file again"
# Types of the card entries that other modules read.
_TYPES = {
    **dict.fromkeys(("settings", "data", "versions", "metrics", "about", PROJECTION, STEERER), dict),
    **{"seed": int, "dim": int, "stride": int, "version": str, "name": str, "trained": bool, "scores": list},
}


def save_checkpoint(path: str | Path, model: Backbone, card: Mapping[str, Any], half: bool = False) -> None:
    """Write a model and its card, `<name>.safetensors` and `<name>.json`, each atomically.

    Args:
        path: file to write, with suffix .safetensors.
        model: backbone on any device.
        card: description of the model (settings, data, seed, metrics, …); the architecture, its dimension and stride
            and the version of hndesc are added. Non-finite numbers become null.
        half: write the weights of convolutions in float16; they are converted to float32 when loaded.
    """
    path = Path(path)
    check_checkpoint(path)
    own = {"architecture": model.name, "dim": model.dim, "stride": model.stride, "version": __version__}
    card = finite(own | dict(card) | own)
    tensors = model.state_dict()
    if half:
        tensors = {name: values.half() if values.dim() == 4 else values for name, values in tensors.items()}
    write_carded(path, _KEY, card, tensors)
    write_json(path.with_suffix(".json"), card)


def check_checkpoint(path: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """Raise an error if a checkpoint to write has the wrong suffix or would overwrite an input or a foreign file."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise HndescError(f"{path}: a checkpoint must be named *.safetensors")
    check_own_file(path, inputs, names_hndesc)
    beside = path.with_suffix(".json")
    check_output_file(beside, inputs)
    if beside.exists():
        with suppress(HndescError):
            if "architecture" in read_json(beside):
                return
        raise HndescError(f"{beside}: exists and is not the card of a checkpoint; move it or rename {path.name}")


def load_checkpoint(path: str | Path) -> tuple[Backbone, dict[str, Any]]:
    """Read a checkpoint: the model, in evaluation mode on the CPU, and its card.

    Raises:
        HndescError: the file is missing, truncated, damaged or not a checkpoint of hndesc; its architecture is unknown;
            its weights do not fit the architecture or yield no descriptors; or its card contradicts its weights.
    """
    path = Path(path)
    card = read_card(path)
    _check_bundled(path)
    model = new_model(card["architecture"])
    with safe_open(path, "pt") as file:
        shapes = {key: file.get_slice(key).get_shape() for key in (PROJECTION, STEERER) if key in file.keys()}  # noqa: SIM118
    if (shape := shapes.get(PROJECTION)) is not None:
        if len(shape) != 2 or not 1 <= shape[0] <= model.dim or shape[1] != model.dim:
            raise HndescError(
                f"{path}: its projection has shape {shape}; expected at most {model.dim} x {model.dim}; {_CURE}"
            )
        model = Projected(model, shape[0])
    if STEERER in shapes:
        model.steerer = torch.zeros(model.dim, model.dim)
    actual = {"dim": model.dim, "stride": model.stride}
    wrong = [f"{key} is {card[key]}, not {value}" for key, value in actual.items() if card.get(key, value) != value]
    wrong += [f"only one has a {key}" for key in (PROJECTION, STEERER) if (key in shapes) != (key in card)]
    if wrong:
        raise HndescError(f"{path}: its card contradicts its weights ({'; '.join(wrong)}); {_CURE}")
    return model.eval(), load_into(model, path)


def _check_bundled(path: Path) -> None:
    """Compare the file of a bundled model with the hash in its card; some of these files contain no checksum."""
    expected = read_json(path.with_suffix(".json")).get("sha256") if path.parent == bundled.FOLDER else None
    if expected is not None and file_hash(path) != expected:
        raise HndescError(f"{path}: damaged, its hash is not that of the bundled model; install hndesc again")


def load_into(model: Backbone, path: str | Path) -> dict[str, Any]:
    """Load the weights of a checkpoint into a model of the same or of a compatible architecture; return the card.

    The projection and the steerer of a checkpoint are ignored if the model has none.
    """
    path = Path(path)
    card, checksum = _read(path)
    architecture = card["architecture"]
    tensors: Mapping[str, Tensor] = load_carded(path, card, checksum, _CURE)
    if not isinstance(model, Projected):
        tensors = unprojected(tensors)
    if model.steerer is None:
        tensors = {name: values for name, values in tensors.items() if name != STEERER}
    adapted = tensors if architecture == model.name else model.adapt(architecture, tensors)
    if adapted is None:
        raise HndescError(f"{path}: a checkpoint of '{architecture}', not '{model.name}'; make the two agree")
    expected = model.state_dict()
    tensors = check_tensors(str(path), adapted, expected, model.name, _CURE)
    if unknown := sorted(adapted.keys() - expected.keys()):
        raise HndescError(
            f"{path}: {len(unknown)} of its tensors are unknown to '{model.name}' ('{unknown[0]}', …); {_CURE}"
        )
    model.load_state_dict(tensors)
    if model.steerer is not None and not _is_orthogonal(model.steerer):
        raise HndescError(f"{path}: its steerer is not an orthogonal matrix; {_CURE}")
    check_descriptors(str(path), model, _CURE)
    return card


def _is_orthogonal(matrix: Tensor) -> bool:
    return torch.allclose(matrix @ matrix.T, torch.eye(len(matrix)), atol=_ROUNDING)


def check_descriptors(source: str, model: Backbone, cure: str) -> None:
    """Check that a model yields finite, nonzero and distinct descriptors on small test images.

    Raises:
        HndescError: it does not; the message names `source` and ends with `cure`.
    """

    def work(image: np.ndarray) -> list[Tensor]:
        dense = model(normalize_images(image[None]))
        lengths = functional.normalize(dense, dim=1, eps=SHORTEST).norm(dim=1)
        if lengths.isfinite().all() and lengths.max() < _LEAST_LENGTH:
            raise HndescError(f"{source}: with these weights, '{model.name}' yields descriptors of length 0; {cure}")
        return [dense]

    training = model.training
    model.eval()
    probe(source, model.name, work, cure)
    model.train(training)


def read_card(path: str | Path) -> dict[str, Any]:
    """Read the card embedded in a checkpoint without reading its weights."""
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return the card and the checksum of card and weights, which files of older versions lack."""
    regular_file(path, "checkpoint", "train a model or check the path")
    if path.suffix.lower() in _PICKLES:
        raise HndescError(
            f"{path}: pickled weights are not accepted as a checkpoint; give the .safetensors file written by training"
        )
    card, checksum = read_carded(path, _KEY, _CURE)
    if card is None:
        raise HndescError(
            f"{path}: a safetensors file without a card of hndesc; give one written by the training of hndesc"
        )
    _check_card(path, card)
    return card, checksum


def _check_card(path: Path, card: Mapping[str, Any]) -> None:
    """Raise a HndescError if entries of a card have the wrong type or contradict each other."""
    architecture = card.get("architecture")
    if architecture not in list(MODELS.places):
        known = ", ".join(sorted(MODELS.places))
        raise HndescError(f"{path}: unknown architecture '{architecture}' (known: {known}); update hndesc")
    wrong = [key for key, kind in _TYPES.items() if key in card and type(card[key]) is not kind]
    settings = {} if wrong else card.get("settings", {})
    trained = settings.get("architecture", architecture)
    if architecture != (PYRAMIDS.get(str(trained)) if settings.get("octaves") else trained):
        wrong = [*wrong, "settings.architecture"]
    if wrong:
        raise HndescError(f"{path}: its card is invalid: '{wrong[0]}' cannot be {_shorten(card, wrong[0])}; {_CURE}")


def _shorten(card: Mapping[str, Any], key: str) -> str:
    value: Any = card
    for part in key.split("."):
        value = value[part]
    return f"{value!r:.60}"


def has_card(path: str | Path) -> bool:
    """Return whether a file is a safetensors file with a card of hndesc."""
    try:
        return bool(read_card(path))
    except HndescError:
        return False
