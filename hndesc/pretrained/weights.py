"""Loading of pretrained weights of baselines, with their license."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hndesc.datasets.fetch.registry import read_registry
from hndesc.errors import MissingWeightsError
from hndesc.io.tensor_files import check_tensors, probe, read_tensors
from hndesc.pretrained.baselines import WEIGHTS
from hndesc.runtime.devices import choose_device
from hndesc.runtime.provenance import file_hash


def load_pretrained(
    network: nn.Module,
    weights: str | Path | None,
    name: str,
    work: Callable[[np.ndarray], Sequence[Tensor]],
    *,
    find: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Load pretrained weights into a network, in evaluation mode on the best available device.

    Args:
        network: network to load into.
        weights: weights file, or an .npz file with the same names and shapes; None for the published file where
            `hndesc datasets get` puts it, below the folder data.
        name: method in `hndesc.pretrained.baselines`.
        work: applies the network to an RGB uint8 image; tested on small images.
        find: extracts the tensors of the network from the content of the file.
        without: tensors of the network that are not in the file.

    Returns:
        The origin recorded in results: hash and name of the file, its license, and whether it differs from the
        published file.

    Raises:
        MissingWeightsError: the weights are missing.
        HndescError: they do not fit the network.
    """
    entry = read_registry()[WEIGHTS[name]]
    weights = fetched_weights(name) if weights is None else weights
    if weights is None or not os.path.exists(weights):
        cause = f"{name} needs its pretrained weights" if weights is None else f"{weights}: no such weights file"
        raise MissingWeightsError(
            f"{cause}: 'hndesc datasets get {entry.name}' downloads them to data/{entry.place} ({entry.page}; license: "
            f"{entry.license})"
        )
    expected = {key: value for key, value in network.state_dict().items() if key not in without}
    cure = f"the published file is {entry.name} of {entry.page}"
    tensors = check_tensors(str(weights), find(read_tensors(weights)), expected, name, cure)
    network.load_state_dict(tensors, strict=not without)
    network.eval().to(choose_device(), memory_format=torch.channels_last)
    probe(str(weights), name, work, cure)
    return _origin(Path(weights), entry.license, entry.files[0].sha256)


def fetched_weights(name: str) -> Path | None:
    """Return the weights file of a method where `hndesc datasets get` puts it, below the folder data; None without."""
    path = Path("data", read_registry()[WEIGHTS[name]].place)
    return path if path.is_file() else None


def _origin(weights: Path, license: str, published: str | None) -> dict[str, Any]:
    digest = file_hash(weights)
    origin: dict[str, Any] = {"weights": digest, "weights_file": weights.name, "license": license}
    if published and not digest.startswith(published):
        origin["rebuilt"] = True
    return origin


def below(key: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return a function that extracts the mapping at a key of the content of a file, empty if it is missing."""
    return lambda state: state[key] if isinstance(state.get(key), dict) else {}


def image_tensor(image: np.ndarray, network: nn.Module) -> Tensor:
    """Return an RGB H x W x 3 image (0 to 255) as 1 x 3 x H x W in [0, 1], on the device of the network."""
    device = next(network.parameters()).device
    writable = np.require(image, requirements="W")  # torch warns of others
    return torch.from_numpy(writable).to(device).permute(2, 0, 1)[None].float() / 255
