"""R2D2's descriptor network: an L2-Net whose strides are replaced by dilations, at full resolution.

Revaud et al., "R2D2: Repeatable and Reliable Detector and Descriptor", NeurIPS 2019; after Tian et al., "L2-Net",
CVPR 2017. As in HNDesc, the last layer ends in a ReLU, so that similarities lie in [0, 1].
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.io.tensor_files import check_tensors
from hndesc.models.backbone import ANOTHER, Backbone
from hndesc.models.lite import pad_to_multiple

# (channels, kernel, dilation, ReLU). Each layer that had stride 2 doubles the dilation of those after it.
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
    """Dilated L2-Net; indices of its layers as in the published weights.

    The 2 x 2 kernels have even dilations and half of that as padding: their four taps lie evenly around the cell, so
    the map is as large as the photo and not shifted against it.
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
        """Return the dense descriptors of a batch of normalized photos."""
        return self.ops(images)

    def load_published(self, state: Mapping[str, Tensor], source: str) -> None:
        """Take the descriptor part of R2D2's own files; their two score layers have no place here."""
        found = {name.removeprefix("module."): values for name, values in state.items()}
        self.load_state_dict(check_tensors(source, found, self.state_dict(), "R2D2", ANOTHER))

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Take the weights of the other one of the two networks here: they have the same layers."""
        return weights if architecture in (R2d2.name, R2d2Quarter.name) else None


class R2d2Quarter(R2d2):
    """The same network at each fourth pixel alone, for a tenth of the work: most of all to train `R2d2`'s weights.

    What a layer computes between the places that are read later is left out. Exactly the dense map's values come out,
    of the pixels (4 i + 2, 4 j + 2); they are then moved to the cells' centers, 1.5 pixels from the first one's.
    """

    name = "r2d2_quarter"
    stride = 4
    period = 4
    reach = R2d2.reach + 4

    def forward(self, images: Tensor) -> Tensor:
        """Return descriptors at each fourth pixel of a batch of normalized photos."""
        dense = self.thinned(pad_to_multiple(images, self.stride))
        before = functional.pad(dense, (1, 0, 1, 0), mode="replicate")
        weights = dense.new_tensor([1 / 8, 7 / 8])
        kernel = torch.outer(weights, weights).expand(self.dim, 1, 2, 2)
        return functional.conv2d(before, kernel, groups=self.dim)

    def thinned(self, images: Tensor) -> Tensor:
        """Return the dense map of R2d2 at rows and columns 2, 6, 10, … of photos whose sides are multiples of 4."""
        convolutions = [layer for layer in self.ops if isinstance(layer, nn.Conv2d)]
        dilations = [min(layer.dilation[0], self.stride) for layer in convolutions]
        wanted = dict(zip(convolutions, [*dilations[1:], self.stride], strict=True))
        pitch = 1  # pixels between two places of the map so far
        x = images
        for layer in self.ops:
            if not isinstance(layer, nn.Conv2d):
                x = layer(x)
                continue
            span, dilation = layer.padding[0] * 2 // pitch, layer.dilation[0] // pitch
            # Between two places of the map lie those of an odd span.
            x = functional.pad(x, (span // 2, span - span // 2) * 2)
            x = functional.conv2d(x, layer.weight, layer.bias, wanted[layer] // pitch, dilation=dilation)
            pitch = wanted[layer]
        return x


def _convolution(inputs: int, outputs: int, kernel: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
