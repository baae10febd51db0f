"""Weights that training starts from: ImageNet's, another program's file, or a checkpoint of hndesc."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hndesc.errors import HndescError
from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import has_card, load_into


def load_initial(model: Backbone, weights: str | Path) -> None:
    """Load "imagenet" or a file into a new model.

    Raises:
        HndescError: no such weights for this model, or a file that is missing, broken or does not fit.
    """
    if weights == "imagenet":
        state, source = model.fetch_imagenet(), "imagenet"
        if state is None:
            raise HndescError(f"training.weights: '{model.name}' has no ImageNet weights; set 'random' or a file")
    else:
        path = Path(weights)
        if has_card(path):
            load_into(model, path)
            return
        state, source = read_state(path), str(path)
    try:
        model.load_published(state)
    except (LookupError, RuntimeError) as error:
        reason = str(error).strip("'\"").splitlines()[0]
        raise HndescError(f"{source}: weights that do not fit the model '{model.name}' ({reason})") from None


def read_state(path: Path) -> Mapping[str, Tensor]:
    """Read a dictionary of tensors from a .safetensors file, or a torch file without running code from it."""
    if not path.is_file():
        raise HndescError(f"{path}: no such file of weights; check training.weights (or set it to 'random')")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise HndescError(f"{path}: not a complete file of plain tensors ({reason}); fetch it again") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        raise HndescError(f"{path}: holds no dictionary of tensors (a torch state_dict is wanted)")
    return state


def fetch(url: str) -> Mapping[str, Tensor]:
    """Return the weights at `url`, from torch hub's cache or the network, checked against the hash in their name."""
    place = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    try:
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise HndescError(
            f"{url}: the ImageNet weights cannot be fetched ({error}); put that file at {place}, or name it in "
            "training.weights, or set training.weights to 'random' to start without them"
        ) from None
