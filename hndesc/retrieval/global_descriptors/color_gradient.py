"""A global descriptor without weights: the spatial distribution of edges at three scales, and a color histogram.

Similar to GIST (Oliva and Torralba, Modeling the Shape of the Scene, IJCV 2001).
"""

import cv2
import numpy as np

from hndesc.io.images import to_gray
from hndesc.retrieval.global_descriptors import l2_normalize

SIDE = 128
ORIENTATIONS = 8
CELLS = 4
COLOR_BINS = 4


class ColorGradient:
    """Describe images by gradient energy in 8 orientations x 4 x 4 cells x 3 scales, and a color histogram, 448-D."""

    settings = {"name": "color_gradient", "side": SIDE, "orientations": ORIENTATIONS, "cells": CELLS}  # noqa: RUF012

    def describe(self, image: np.ndarray) -> np.ndarray:
        """Describe an RGB uint8 image, H x W x 3; float32, L2-normalized."""
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        gray = to_gray(image).astype(np.float32)
        scales = [_gradients(cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA)) for side in (128, 64, 32)]
        # Square roots limit the influence of a few strong edges or one large surface.
        edges, colors = (l2_normalize(np.sqrt(part)) for part in (np.concatenate(scales), _colors(image)))
        return l2_normalize(np.concatenate([edges, colors]))


def _gradients(gray: np.ndarray) -> np.ndarray:
    """Return the gradient energy by orientation and cell, soft-assigned to the two nearest orientations."""
    dx, dy = (cv2.Sobel(gray, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    magnitude = np.hypot(dx, dy)
    position = (np.arctan2(dy, dx) % np.pi) * (ORIENTATIONS / np.pi)
    below = np.floor(position).astype(int)
    weight = position - below
    maps = np.zeros((ORIENTATIONS, *gray.shape), np.float32)
    rows, columns = np.indices(gray.shape)
    maps[below % ORIENTATIONS, rows, columns] = magnitude * (1 - weight)
    maps[(below + 1) % ORIENTATIONS, rows, columns] += magnitude * weight
    cell = gray.shape[0] // CELLS
    return maps.reshape(ORIENTATIONS, CELLS, cell, CELLS, cell).mean(axis=(2, 4)).ravel()


def _colors(image: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    histogram, _ = np.histogramdd(lab, bins=COLOR_BINS, range=[(0, 256)] * 3)
    return histogram.ravel()
