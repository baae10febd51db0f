"""Measures of the structure that stylization must preserve: edges and keypoints."""

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from hndesc.io.images import to_gray


def edge_similarity(photo: np.ndarray, copy: np.ndarray) -> float:
    """Return the structural similarity (SSIM, 1 for equal images) of the edge maps of two images.

    Args:
        photo, copy: RGB uint8 of the same size, at least 11 pixels wide and high.
    """
    return float(structural_similarity(_edges(photo), _edges(copy), data_range=1.0, gaussian_weights=True))


def _edges(image: np.ndarray) -> np.ndarray:
    """Return the gradient magnitude of the luma, normalized to 1 so that it does not depend on the contrast."""
    gray = cv2.GaussianBlur(to_gray(image).astype(np.float32), (0, 0), 1.0)
    magnitude = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    return np.minimum(magnitude / max(np.percentile(magnitude, 99), 1e-6), 1)


def repeatability(keypoints: np.ndarray, others: np.ndarray, radius: float = 2.0) -> float:
    """Return the share of `keypoints` (N x 2, pixels) with one of `others` (M x 2) within `radius`; 0 without any."""
    if len(keypoints) == 0 or len(others) == 0:
        return 0.0
    squared = ((keypoints[:, None].astype(np.float64) - others[None]) ** 2).sum(axis=2).min(axis=1)
    return float((squared <= radius**2).mean())
