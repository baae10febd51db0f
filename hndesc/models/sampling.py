"""Input and output of a backbone: normalized batches of images, and descriptors sampled from dense maps."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Shorter vectors are not normalized: their direction is rounding noise with an unbounded gradient.
SHORTEST = 1e-6


def normalize_images(images: np.ndarray | Tensor) -> Tensor:
    """Normalize a batch of RGB images by the mean and standard deviation of ImageNet.

    Args:
        images: B x H x W x 3, uint8 (0 to 255) or floating point (0 to 1).

    Returns:
        B x 3 x H x W float32 on the same device, channels last in memory.
    """
    images = torch.as_tensor(images)
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"expected images of shape B x H x W x 3, got {tuple(images.shape)}")
    scale = 1.0 if images.is_floating_point() else 255.0
    images = images.to(torch.float32)
    width = images.shape[2]
    # Of a whole row, since operations with three values at a time are slow.
    mean, std = (images.new_tensor(values).mul(scale).repeat(width) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return ((images.flatten(2) - mean) / std).unflatten(2, (width, 3)).permute(0, 3, 1, 2)


def sample_descriptors(dense: Tensor, points: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Sample a dense map bilinearly at keypoints and normalize each descriptor to unit length.

    A point beyond the outermost cell centers takes the value of the nearest point between them. A descriptor of length
    0 remains 0.

    Args:
        dense: B x dim x h x w, output of a backbone.
        points: B x N x 2, (x, y) in pixels, center of the top-left pixel at (0, 0); N may be 0.
        image_size: (H, W) of the input images in pixels.

    Returns:
        B x N x dim, at least float32.

    Raises:
        ValueError: no integer stride maps an image of that size to that map.
    """
    if points.shape[1] == 0:
        return dense.flatten(2).transpose(1, 2)[:, :0]
    return sample_map(dense, points, map_stride(tuple(dense.shape[-2:]), image_size))


def sample_map(dense: Tensor, points: Tensor, stride: int) -> Tensor:
    """Sample like `sample_descriptors`, with a given stride (pixels per cell)."""
    height, width = dense.shape[-2:]
    dense = dense.to(torch.promote_types(dense.dtype, torch.float32))
    # Pixel centers at integers: the map spans -0.5 to its extent - 0.5 in pixels, -1 to 1 for grid_sample. No tensor of
    # the extents, which would be constants in an exported graph.
    x, y = (2 * points.to(dense) + 1).unbind(dim=2)
    grid = torch.stack([x / (width * stride), y / (height * stride)], dim=2)[:, None] - 1
    sampled = functional.grid_sample(dense, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return functional.normalize(sampled[:, :, 0].transpose(1, 2), dim=2, eps=SHORTEST)


def map_stride(map_size: tuple[int, int], image_size: tuple[int, int]) -> int:
    """Return the stride (pixels per cell) of a map with ceil(H / stride) x ceil(W / stride) cells.

    The last row and column of cells may extend beyond the image, so the ratio of the sizes is not the stride.
    """
    strides = {-(-pixels // cells) for pixels, cells in zip(image_size, map_size, strict=True)}
    if len(strides) == 1:
        stride = strides.pop()
        if all(-(-pixels // stride) == cells for pixels, cells in zip(image_size, map_size, strict=True)):
            return stride
    raise ValueError(f"a map of {map_size} cells does not belong to an image of {image_size} pixels (height, width)")
