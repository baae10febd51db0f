"""A network prepared for inference: equal descriptors with fewer operations."""

from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norm(model: Network) -> Network:
    """Fold each batch normalization that directly follows a convolution into its weights, in place.

    Only pairs of an `nn.Sequential` are folded, since its order is that of the computation. Outputs change by rounding.

    Args:
        model: in evaluation mode; it can no longer be trained or saved.

    Returns:
        The same model.
    """
    for sequence in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for number in range(len(sequence) - 1):
            convolution, normalization = sequence[number : number + 2]
            if isinstance(convolution, nn.Conv2d) and isinstance(normalization, nn.BatchNorm2d):
                sequence[number] = fuse_conv_bn_eval(convolution, normalization)
                sequence[number + 1] = nn.Identity()
    return model
