"""Draw docs/figures/rotation.svg: correct matches over the angle of a rotation.  python docs/figures/rotation.py

The image is flower.jpg in scikit-learn (by vultilion, CC BY 2.0), rotated by known angles; its 1,000 strongest SIFT
keypoints are matched to those of the rotated image as mutual nearest neighbors.
"""

from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_sample_image

from hndesc.extraction.extractor import Extractor
from hndesc.geometry.homography import warp_points
from hndesc.matching.matcher import match_features
from hndesc.visualization.style import figure, line_styles

OUTPUT = Path(__file__).with_suffix(".svg")
ANGLES = range(0, 181, 15)
METHODS = {
    "hndesc-lite": {"descriptor": "hndesc-lite"},
    "hndesc-lite, views: true": {"descriptor": "hndesc-lite", "views": True},
    "RootSIFT": {"descriptor": "rootsift"},
}


def main() -> None:
    """Match the image to its rotations and draw the share of correct matches."""
    image = load_sample_image("flower.jpg")
    with figure(OUTPUT, 7.0, 3.2) as drawing:
        axes = drawing.subplots()
        for (name, settings), style in zip(METHODS.items(), line_styles(list(METHODS)), strict=True):
            extractor = Extractor(detector="sift", max_keypoints=1000, **settings)
            axes.plot(ANGLES, [score(extractor, image, angle) for angle in ANGLES], label=name, **style)
        axes.set_xlabel("rotation, degrees")
        axes.set_ylabel("matches within 3 pixels")
        axes.set_ylim(0, 1.03)
        axes.set_xticks(range(0, 181, 30))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=3, borderaxespad=0)


def score(extractor: Extractor, image: np.ndarray, angle: float) -> float:
    """Return the share of matches within 3 pixels of the true position."""
    turned, truth = rotate(image, angle)
    a, b = extractor(image), extractor(turned)
    pairs = match_features(a, b)
    ends = warp_points(truth, a.keypoints[pairs[:, 0]])
    return float((np.linalg.norm(ends - b.keypoints[pairs[:, 1]], axis=1) <= 3).mean())


def rotate(image: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return an image rotated about its center on a canvas that holds it, and the homography to it."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    size = np.ceil(np.abs(matrix[:, :2]) @ [width, height]).astype(int)
    matrix[:, 2] += (size - [width, height]) / 2
    turned = cv2.warpAffine(image, matrix, tuple(map(int, size)), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return turned, np.vstack([matrix, [0, 0, 1]])


if __name__ == "__main__":
    main()
