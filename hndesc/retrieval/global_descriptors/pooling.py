"""Generalized-mean pooling: Radenovic et al., Fine-tuning CNN Image Retrieval with No Human Annotation, PAMI 2019."""

from torch import Tensor

SMALLEST = 1e-6


def generalized_mean(activations: Tensor, power: float = 3.0) -> Tensor:
    """Pool B x D x h x w activations, with negative ones clamped to 0, to B x D.

    Args:
        activations: feature map.
        power: exponent of the mean; 1 is average pooling, infinity is max pooling.
    """
    return activations.clamp(min=SMALLEST).pow(power).mean(dim=(2, 3)).pow(1 / power)
