"""R2D2's descriptor network: an L2-Net whose strides are replaced by dilations, at full resolution.

Revaud et al., "R2D2: Repeatable and Reliable Detector and Descriptor", NeurIPS 2019; after Tian et al., "L2-Net",
CVPR 2017. As in HNDesc, the last layer ends in a ReLU, so that similarities lie in [0, 1].
"""

from collections.abc import Mapping

from torch import Tensor, nn

from hndesc.models.backbone import Backbone

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
        """Return the dense descriptors of a batch of normalised photos."""
        return self.ops(images)

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Take the descriptor part of R2D2's own files; their two score layers have no place here."""
        found = {name.removeprefix("module."): values for name, values in state.items()}
        self.load_state_dict({name: values for name, values in found.items() if name.startswith("ops.")})


def _convolution(inputs: int, outputs: int, kernel: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
