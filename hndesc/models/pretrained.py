"""Weights that training starts from: ImageNet's, another program's file, or a checkpoint of hndesc."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor

from hndesc.errors import HndescError
from hndesc.models.backbone import ANOTHER, Backbone
from hndesc.models.checkpoint import check_descriptors, has_card, load_into
from hndesc.tensor_files import read_tensors


def load_initial(model: Backbone, weights: str | Path) -> None:
    """Load "imagenet" or a file into a new model.

    Raises:
        HndescError: no such weights for this model, or a file that is missing, broken or does not fit.
    """
    if weights == "imagenet":
        state, source = model.fetch_imagenet(), "imagenet"
        if state is None:
            raise HndescError(f"training.weights: '{model.name}' has no ImageNet weights; set 'random' or a file")
    elif has_card(path := Path(weights)):
        load_into(model, path)
        return
    else:
        state, source = read_state(path), str(path)
    model.load_published(state, source)
    check_descriptors(source, model, ANOTHER)


def read_state(path: Path) -> Mapping[str, Tensor]:
    """Read a dictionary of tensors from a .npz, .safetensors or torch file without running code from it."""
    state = read_tensors(path, ANOTHER)
    state = state.get("state_dict", state)
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        raise HndescError(f"{path}: holds no dictionary of tensors (a torch state_dict is wanted); {ANOTHER}")
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
