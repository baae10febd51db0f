"""Initial weights of training: from ImageNet, a file of another program, or a checkpoint of hndesc."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor

from hndesc.errors import HndescError
from hndesc.io.tensor_files import read_tensors
from hndesc.models.architectures import PYRAMIDS, new_model
from hndesc.models.backbone import WEIGHTS_CURE, Backbone
from hndesc.models.checkpoint import check_descriptors, has_card, load_into


def build_model(name: str, weights: str | Path | None = None, seed: int = 0) -> Backbone:
    """Return a backbone with its initial weights.

    Args:
        name: a name in `hndesc.models.architectures.MODELS`.
        weights: "random", "imagenet" (for caps: the encoder), a file (a checkpoint of hndesc, or pretrained weights
            that this backbone supports), or None for the default of the backbone.
        seed: seed of random weights; the global random state is neither used nor changed.

    Raises:
        HndescError: the name is unknown, or the weights are unavailable or do not fit.
    """
    model = new_model(name, seed)
    weights = model.default_weights if weights is None else weights
    if weights != "random":
        load_initial(model, weights)
    return model


def load_initial(model: Backbone, weights: str | Path) -> None:
    """Load "imagenet" or a file into a new model.

    Raises:
        HndescError: this model has no such weights, or the file is missing, damaged or does not fit.
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
    model.load_pretrained(state, source)
    check_descriptors(source, model, WEIGHTS_CURE)


def read_state(path: Path) -> Mapping[str, Tensor]:
    """Read a dictionary of tensors from a .npz, .safetensors or torch file without running code in it."""
    state = read_tensors(path, WEIGHTS_CURE)
    state = state.get("state_dict", state)
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        raise HndescError(f"{path}: contains no dictionary of tensors (expected a torch state_dict); {WEIGHTS_CURE}")
    return state


def interpolated(trained: Mapping[str, Tensor], initial: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Interpolate between the weights of a model before and after training (Wortsman et al., WiSE-FT, CVPR 2022).

    Args:
        trained, initial: of one architecture; the statistics of batch normalizations are interpolated, too.
        share: weight of the initial ones, 0 to 1.

    Returns:
        The weights; integers, such as the number of batches seen, are those after training.
    """
    return {
        name: torch.lerp(values, initial[name].to(values), share) if values.is_floating_point() else values
        for name, values in trained.items()
    }


def in_octaves(model: Backbone) -> Backbone:
    """Return the pyramid of a backbone, with its weights in each octave.

    Args:
        model: of an architecture in `hndesc.models.architectures.PYRAMIDS`; it is not changed.
    """
    pyramid = new_model(PYRAMIDS[model.name])
    weights = pyramid.adapt(model.name, model.state_dict())
    assert weights is not None  # PYRAMIDS names only pyramids that know the backbone
    pyramid.load_state_dict(weights)
    return pyramid


def fetch(url: str) -> Mapping[str, Tensor]:
    """Return the weights at `url`, from the cache of torch.hub or the network; the hash in the name is verified."""
    place = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    try:
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise HndescError(
            f"{url}: the ImageNet weights cannot be downloaded ({error}); save that file as {place}, or name it in "
            "training.weights, or set training.weights to 'random'"
        ) from None
