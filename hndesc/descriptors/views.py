"""Descriptors of keypoints in several views of their image: rotated by multiples of 90 degrees, and at half size.

The descriptors of a network do not match if the images differ in rotation or scale by far more than its training pairs.
In one of the views of one of the two images, the difference is nearly compensated. The views are selected for each pair
of images (`hndesc.matching.views`).
"""

import cv2
import numpy as np

from hndesc.descriptors import Descriptor
from hndesc.io.features import Features
from hndesc.io.images import scale_points

TURNS = (0, 1, 2, 3)  # rotations of the views in units of 90 degrees; the downsized view follows


def describe_views(descriptor: Descriptor, image: np.ndarray, features: Features) -> np.ndarray:
    """Describe the keypoints of an image in all views.

    The rotated views of a descriptor with a steerer (`hndesc.models.backbone.Backbone`) are computed by it from the
    descriptors of the image.

    Args:
        descriptor: descriptor that ignores sizes and orientations.
        image: H x W x 3, RGB, uint8.
        features: keypoints in pixels of that image; sizes and orientations are ignored.

    Returns:
        5 x N x D float32: in the image, in the image rotated counter-clockwise by 90, 180 and 270 degrees, and at half
        its size.
    """
    steerer = getattr(descriptor, "steerer", None)
    if steerer is None:
        turned = describe_turned(descriptor, image, features.keypoints)
    else:
        turned = steer(descriptor.describe(image, features), steerer)
    halved, points = halve(image, features.keypoints)
    return np.concatenate([turned, descriptor.describe(halved, _at(points, halved))[None]])


def describe_turned(descriptor: Descriptor, image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Describe N x 2 points of an image in the image and its three rotations: 4 x N x D float32."""
    views = [turn(image, points, quarters) for quarters in TURNS]
    return np.stack([descriptor.describe(view, _at(points, view)) for view, points in views])


def steer(descriptors: np.ndarray, steerer: np.ndarray) -> np.ndarray:
    """Approximate the descriptors of an image (N x D) in the image and its three rotations: 4 x N x D.

    Args:
        descriptors: of length 1.
        steerer: D x D, orthogonal, so that its transpose rotates by -90 degrees.
    """
    once = descriptors @ steerer.T
    return np.stack([descriptors, once, once @ steerer.T, descriptors @ steerer])


def turn(image: np.ndarray, points: np.ndarray, quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotate an image and N x 2 points of it counter-clockwise by multiples of 90 degrees."""
    points = np.asarray(points, np.float64)
    for _ in range(quarters):
        image, points = np.rot90(image), np.stack([points[:, 1], image.shape[1] - 1 - points[:, 0]], axis=1)
    return np.ascontiguousarray(image), points


def halve(image: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Downsize an image to half its size, and N x 2 points of it."""
    height, width = image.shape[:2]
    size = max(1, round(width / 2)), max(1, round(height / 2))
    halved = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return halved, scale_points(points, np.array([size[0] / width, size[1] / height]))


def _at(points: np.ndarray, image: np.ndarray) -> Features:
    size = image.shape[1], image.shape[0]
    return Features(points.astype(np.float32), size, np.ones(len(points), np.float32))
