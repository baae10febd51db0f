"""Draw docs/figures/detector.svg: repeatability of keypoints in darker images.  python docs/figures/detector.py

The image is flower.jpg in scikit-learn (by vultilion, CC BY 2.0). A copy has less light by a power of 2, sensor noise,
and 8 bits. The 1,000 strongest keypoints are compared.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_image

from hndesc.detectors import load_detector
from hndesc.geometry.repeatability import measure_repeatability
from hndesc.visualization.style import figure, line_styles

OUTPUT = Path(__file__).with_suffix(".svg")
STOPS = np.arange(0, 6.5, 0.5)
DETECTORS = {"hndesc": {}, "SIFT": {"contrast_threshold": 0.0}}


def main() -> None:
    """Detect keypoints in the image and its copies and draw their repeatability."""
    image = load_sample_image("flower.jpg")
    copies = [darken(image, stops) for stops in STOPS]
    with figure(OUTPUT, 7.0, 3.2) as drawing:
        axes = drawing.subplots()
        for (name, settings), style in zip(DETECTORS.items(), line_styles(list(DETECTORS)), strict=True):
            detector = load_detector(name.lower(), max_keypoints=1000, **settings)
            axes.plot(STOPS, [score(detector, image, copy) for copy in copies], label=name, **style)
        axes.set_xlabel("less light, powers of 2")
        axes.set_ylabel("repeatability within 3 pixels")
        axes.set_ylim(0, 1.03)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=2, borderaxespad=0)


def darken(image: np.ndarray, stops: float) -> np.ndarray:
    """Return an image with less light: shot noise of 4,000 electrons in a saturated pixel, read noise of 2."""
    light = (image / 255.0) ** 2.2 * 2.0**-stops
    deviation = np.sqrt(light / 4000 + (2 / 4000) ** 2)
    light += deviation * np.random.default_rng(0).standard_normal(image.shape)
    return np.round(255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def score(detector, image: np.ndarray, copy: np.ndarray) -> float:
    """Return the repeatability of the keypoints of an image and its copy."""
    first, second = detector.detect(image), detector.detect(copy)
    sizes = first.image_size, second.image_size
    return measure_repeatability(first.keypoints, second.keypoints, np.eye(3), sizes, 3.0).share


if __name__ == "__main__":
    main()
