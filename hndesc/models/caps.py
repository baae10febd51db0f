"""The network of CAPS, fine branch: ResNet-50 up to its third stage, and a U-Net decoder with skips to stride 4.

Wang et al., "Learning Feature Descriptors using Camera Pose Supervision", ECCV 2020.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.io.tensor_files import check_tensors
from hndesc.models.backbone import WEIGHTS_CURE, Backbone
from hndesc.models.initial_weights import fetch
from hndesc.models.torchvision_import import torchvision_models


class Caps(Backbone):
    """ResNet-50 encoder, decoder with ELU and batch normalization, 128-D descriptors at stride 4.

    The cells of ResNet at stride s are centered on pixels s * j. The image is therefore shifted by 1.5 pixels (with
    cubic interpolation), so that the cells of the map lie at the centers of their 4 x 4 squares and the pretrained
    weights remain valid.
    """

    name = "caps"
    dim = 128
    stride = 4
    period = 16
    reach = 171
    default_weights = "imagenet"

    def __init__(self) -> None:
        super().__init__()
        resnet = torchvision_models().resnet50(weights=None)
        self.encoder = nn.ModuleDict(
            {name: getattr(resnet, name) for name in ("conv1", "bn1", "layer1", "layer2", "layer3")}
        )
        self.up3 = _unit(1024, 512)
        self.merge3 = _unit(512 + 512, 512)
        self.up2 = _unit(512, 256)
        self.merge2 = _unit(256 + 256, 256)
        self.fine = _unit(256, self.dim, kernel=1)
        taps = torch.tensor([-1.0, 9.0, 9.0, -1.0]) / 16
        self.register_buffer("halfway", torch.outer(taps, taps).expand(3, 1, 4, 4).clone(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""
        encoder = self.encoder
        x = functional.pad(images, (0, 3, 0, 3), mode="replicate")
        x = functional.conv2d(x, self.halfway, groups=3)
        x = functional.relu(encoder["bn1"](encoder["conv1"](x)))
        stage1 = encoder["layer1"](functional.max_pool2d(x, 3, 2, 1))
        stage2 = encoder["layer2"](stage1)
        stage3 = encoder["layer3"](stage2)
        x = self.up3(_double(stage3, stage2.shape[-2:]))
        x = self.merge3(torch.cat([stage2, x], 1))
        x = self.up2(_double(x, stage1.shape[-2:]))
        x = self.merge2(torch.cat([stage1, x], 1))
        return self.fine(x)

    def load_pretrained(self, state: Mapping[str, Tensor], source: str) -> None:
        """Load torchvision's ResNet-50 as encoder; its fourth stage and classifier are ignored."""
        self.encoder.load_state_dict(check_tensors(source, state, self.encoder.state_dict(), "ResNet-50", WEIGHTS_CURE))

    def fetch_imagenet(self) -> Mapping[str, Tensor]:
        """Return torchvision's ImageNet weights of ResNet-50, from the cache or the network."""
        return fetch(torchvision_models().ResNet50_Weights.IMAGENET1K_V1.url)


def _double(x: Tensor, size: torch.Size) -> Tensor:
    """Upsample so that cell j of `x` becomes cell 2j, which inverts ResNet's strided convolutions."""
    rows, columns = x.shape[-2:]
    # With aligned corners, 2n - 1 cells have exactly half the spacing; the last one is repeated if it is missing.
    x = functional.interpolate(x, size=(2 * rows - 1, 2 * columns - 1), mode="bilinear", align_corners=True)
    return functional.pad(x, (0, 1, 0, 1), mode="replicate")[..., : size[0], : size[1]]


def _unit(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ELU(inplace=True)
    )
