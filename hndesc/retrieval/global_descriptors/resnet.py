"""GeM pooling over the ResNets of torchvision, trained on ImageNet.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
"""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from hndesc.errors import HndescError
from hndesc.io.tensor_files import check_tensors, probe
from hndesc.models.initial_weights import fetch, read_state
from hndesc.models.sampling import normalize_images
from hndesc.models.torchvision_import import torchvision_models
from hndesc.retrieval.global_descriptors import l2_normalize
from hndesc.retrieval.global_descriptors.pooling import generalized_mean
from hndesc.runtime.memory import keep_freed_memory
from hndesc.runtime.provenance import file_hash

SMALLEST = 32
_CURE = "give torchvision's file as the key 'weights'"


class ResNet:
    """Describe images by the generalized mean of the last feature map of the network, 2048-D.

    Args:
        depth: 50 or 101.
        weights: weights file of torchvision; None downloads it.
        power: exponent of the mean.

    Raises:
        HndescError: the weights are unavailable or do not fit.
    """

    def __init__(self, depth: int, weights: str | Path | None = None, power: float = 3.0) -> None:
        keep_freed_memory()
        name = f"resnet{depth}"
        self.power = power
        network = getattr(torchvision_models(), name)()
        state, source = _weights(name, weights)
        network.load_state_dict(check_tensors(source, state, network.state_dict(), name, _CURE))
        self._features = nn.Sequential(*list(network.children())[:-2]).eval().to(memory_format=torch.channels_last)
        probe(source, name, lambda image: [self._features(normalize_images(image[None]))], _CURE)
        self.settings = {"name": name, "power": power}
        if weights is not None:
            self.settings["sha256"] = file_hash(weights)

    @torch.inference_mode()
    def describe(self, image: np.ndarray) -> np.ndarray:
        """Describe an RGB uint8 image, H x W x 3; float32, L2-normalized."""
        height, width = (max(SMALLEST, side) for side in image.shape[:2])
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        activations = self._features(normalize_images(image[None]))
        return l2_normalize(generalized_mean(activations, self.power)[0].numpy())


ResNet50 = partial(ResNet, 50)
ResNet101 = partial(ResNet, 101)


def _weights(name: str, weights: str | Path | None) -> tuple[dict[str, Tensor], str]:
    if weights is not None:
        return dict(read_state(Path(weights))), str(weights)
    url = torchvision_models().get_model_weights(name).IMAGENET1K_V1.url
    try:
        return dict(fetch(url)), url
    except HndescError:
        raise HndescError(
            f"{url}: the weights of {name} cannot be downloaded; give the file as the key 'weights', or use the global "
            "descriptor 'efficientnet_lite0', whose weights are part of its package"
        ) from None
