"""Published weights of other programs: which file, under whose license, and into a network."""

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


def load_published(
    network: nn.Module,
    weights: str | Path | None,
    name: str,
    work: Callable[[np.ndarray], Sequence[Tensor]],
    *,
    find: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Load published weights into a network, which is then ready for inference on the best device there is.

    Args:
        network: gets the weights, on the device that it is moved to.
        weights: the file, or an .npz with the same names and shapes.
        name: a method of `hndesc.pretrained.baselines`.
        work: returns what the network makes of an RGB uint8 image; tried on small pictures.
        find: takes the network's tensors out of the file's content.
        without: tensors of the network that the file does not have.

    Returns:
        What a result tells of them: hash and name of the file, its license, and whether it is another than published.

    Raises:
        MissingWeightsError: no weights.
        HndescError: a file that does not hold them.
    """
    entry = read_registry()[WEIGHTS[name]]
    if weights is None or not Path(weights).exists():
        cause = f"{name} needs its published weights" if weights is None else f"{weights}: no such file of weights"
        raise MissingWeightsError(
            f"{cause}: 'hndesc datasets get {entry.name}' fetches them to data/{entry.place} ({entry.page}; license: "
            f"{entry.license})"
        )
    expected = {key: value for key, value in network.state_dict().items() if key not in without}
    cure = f"the published file is {entry.name} of {entry.page}"
    tensors = check_tensors(str(weights), find(read_tensors(weights)), expected, name, cure)
    network.load_state_dict(tensors, strict=not without)
    network.eval().to(choose_device(), memory_format=torch.channels_last)
    probe(str(weights), name, work, cure)
    return _origin(Path(weights), entry.license, entry.files[0].sha256)


def _origin(weights: Path, license: str, published: str | None) -> dict[str, Any]:
    digest = file_hash(weights)
    origin: dict[str, Any] = {"weights": digest, "weights_file": weights.name, "license": license}
    if published and not digest.startswith(published):
        origin["rebuilt"] = True
    return origin


def below(key: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return a function that takes what stands below a key of a file's content; nothing where it is missing."""
    return lambda state: state[key] if isinstance(state.get(key), dict) else {}


def image_tensor(image: np.ndarray, network: nn.Module) -> Tensor:
    """Return an RGB H x W x 3 image (0 to 255) as 1 x 3 x H x W in [0, 1], where the network is."""
    device = next(network.parameters()).device
    return torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float() / 255
