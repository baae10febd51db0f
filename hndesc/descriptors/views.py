"""Descriptors of keypoints in several views of their image: turned by quarter turns, and at half its size.

A network describes keypoints as the image shows them, and no longer recognizes them where another image is turned by
far more than its training pairs were, or zoomed. In one of the views of one of the two images the other one's turn
and zoom are nearly undone; which one is chosen for each pair of images (`hndesc.matching.views`).
"""

import cv2
import numpy as np

from hndesc.descriptors import Descriptor
from hndesc.io.features import Features
from hndesc.io.images import scale_points

TURNS = (1, 2, 3)  # quarter turns of the views after the image itself; half its size follows them


def describe_views(descriptor: Descriptor, image: np.ndarray, features: Features) -> np.ndarray:
    """Describe the keypoints of an image in its other views.

    Args:
        descriptor: describes keypoints as an image shows them.
        image: H x W x 3, RGB, uint8.
        features: keypoints in pixels of that image; sizes and orientations are left aside.

    Returns:
        4 x N x D float32: in the image turned counter-clockwise by 90, 180 and 270 degrees, and shrunk to half.
    """
    views = [turn(image, features.keypoints, quarters) for quarters in TURNS]
    views.append(halve(image, features.keypoints))
    return np.stack([descriptor.describe(view, _at(points, view)) for view, points in views])


def turn(image: np.ndarray, points: np.ndarray, quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn an image and N x 2 points of it counter-clockwise by quarter turns."""
    points = np.asarray(points, np.float64)
    for _ in range(quarters):
        image, points = np.rot90(image), np.stack([points[:, 1], image.shape[1] - 1 - points[:, 0]], axis=1)
    return np.ascontiguousarray(image), points


def halve(image: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrink an image to half its size, and N x 2 points of it."""
    height, width = image.shape[:2]
    size = max(1, round(width / 2)), max(1, round(height / 2))
    shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return shrunk, scale_points(points, np.array([size[0] / width, size[1] / height]))


def _at(points: np.ndarray, image: np.ndarray) -> Features:
    size = image.shape[1], image.shape[0]
    return Features(points.astype(np.float32), size, np.ones(len(points), np.float32))
