"""The descriptor network of R2D2: an L2-Net with dilations instead of strides, at full resolution.

Revaud et al., "R2D2: Repeatable and Reliable Detector and Descriptor", NeurIPS 2019; after Tian et al., "L2-Net",
CVPR 2017. As in HNDesc, the last layer ends in a ReLU, so that similarities lie in [0, 1].
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.io.tensor_files import check_tensors
from hndesc.models.backbone import WEIGHTS_CURE, Backbone
from hndesc.models.lite import pad_to_multiple

# (channels, kernel, dilation, ReLU). Each former stride of 2 doubles the dilation of the following layers.
_LAYERS = (
    (32, 3, 1, True),
    (32, 3, 1, True),
    (64, 3, 1, True),
    (64, 3, 2, True),
    (128, 3, 2, True),
    (128, 3, 4, True),
    (128, 2, 4, False),
    (128, 2, 8, False),
)
_LAST_DILATION = 16


class R2d2(Backbone):
    """Dilated L2-Net, with the layer indices of the published weights.

    The 2 x 2 kernels have even dilations and half of that as padding. Their four taps are symmetric around the cell, so
    the map has the size of the image and is not shifted.
    """

    name = "r2d2"
    dim = 128
    stride = 1
    period = 1
    reach = 1 + 1 + 1 + 2 + 2 + 4 + 2 + 4 + 8

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, kernel, dilation, relu in _LAYERS:
            layers += [_convolution(channels, width, kernel, dilation), nn.BatchNorm2d(width, affine=False)]
            layers += [nn.ReLU(inplace=True)] if relu else []
            channels = width
        layers += [_convolution(channels, self.dim, 2, _LAST_DILATION), nn.ReLU(inplace=True)]
        self.ops = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""
        return self.ops(images)

    def load_pretrained(self, state: Mapping[str, Tensor], source: str) -> None:
        """Load the descriptor layers of R2D2's own files; their two score layers are ignored."""
        found = {name.removeprefix("module."): values for name, values in state.items()}
        self.load_state_dict(check_tensors(source, found, self.state_dict(), "R2D2", WEIGHTS_CURE))

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Accept the weights of either network of this module, since they have the same layers."""
        return weights if architecture in (R2d2.name, R2d2Quarter.name) else None


class R2d2Quarter(R2d2):
    """The same network at every fourth pixel, at a tenth of the cost; mainly for training the weights of `R2d2`.

    Layers skip all positions that no later layer reads. The values are exactly those of the dense map at the pixels
    (4 i + 2, 4 j + 2). They are then interpolated to the cell centers, which start at 1.5 pixels.
    """

    name = "r2d2_quarter"
    stride = 4
    period = 4
    reach = R2d2.reach + 4

    def forward(self, images: Tensor) -> Tensor:
        """Return descriptors at every fourth pixel of a batch of normalized images."""
        dense = self.thinned(pad_to_multiple(images, self.stride))
        before = functional.pad(dense, (1, 0, 1, 0), mode="replicate")
        weights = dense.new_tensor([1 / 8, 7 / 8])
        kernel = torch.outer(weights, weights).expand(self.dim, 1, 2, 2)
        return functional.conv2d(before, kernel, groups=self.dim)

    def thinned(self, images: Tensor) -> Tensor:
        """Return the dense map of R2d2 at rows and columns 2, 6, 10, … of images whose sides are multiples of 4."""
        convolutions = [layer for layer in self.ops if isinstance(layer, nn.Conv2d)]
        dilations = [min(layer.dilation[0], self.stride) for layer in convolutions]
        strides = dict(zip(convolutions, [*dilations[1:], self.stride], strict=True))
        pitch = 1  # pixels between two positions of the current map
        x = images
        for layer in self.ops:
            if not isinstance(layer, nn.Conv2d):
                x = layer(x)
                continue
            span, dilation = layer.padding[0] * 2 // pitch, layer.dilation[0] // pitch
            # The center of an odd span lies between two positions of the map.
            x = functional.pad(x, (span // 2, span - span // 2) * 2)
            x = functional.conv2d(x, layer.weight, layer.bias, strides[layer] // pitch, dilation=dilation)
            pitch = strides[layer]
        return x


def _convolution(inputs: int, outputs: int, kernel: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
