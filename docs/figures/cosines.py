"""Draw docs/figures/cosines.svg: matches that a least cosine keeps.  python docs/figures/cosines.py

The images are the motorcycle pair of scikit-image (Middlebury stereo 2014), with its true disparities. Descriptors are
those of hndesc-fast at the 2,048 strongest keypoints of hndesc.
"""

from pathlib import Path

import numpy as np
from skimage.data import stereo_motorcycle

import hndesc
from hndesc.matching.nearest_neighbors import mutual_nearest
from hndesc.visualization.style import figure, line_styles

OUTPUT = Path(__file__).with_suffix(".svg")
LEAST = np.arange(0.5, 0.99, 0.01)
DEFAULT = 0.85  # of COLMAP
TOLERANCE = 2.0


def main() -> None:
    """Match the images and draw both shares over the least cosine."""
    cosines, right = match()
    kept = [cosines >= least for least in LEAST]
    curves = {
        "kept, of all right matches": [right[rows].sum() / right.sum() for rows in kept],
        "right, of those that are kept": [right[rows].mean() for rows in kept],
    }
    with figure(OUTPUT, 7.0, 3.2) as drawing:
        axes = drawing.subplots()
        for (name, shares), style in zip(curves.items(), line_styles(list(curves)), strict=True):
            axes.plot(LEAST, shares, label=name, **style)
        axes.axvline(DEFAULT, color="0.6", linewidth=0.8)
        axes.set_xlabel("least cosine (COLMAP's default: 0.85)")
        axes.set_ylabel("share of matches")
        axes.set_ylim(0, 1.03)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=2, borderaxespad=0)


def match() -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of each match whose disparity is known, and whether it is within the tolerance of it."""
    left, right, disparity = stereo_motorcycle()
    model = hndesc.load("hndesc-fast", detector="hndesc", max_keypoints=2048)
    (first, a), (second, b) = model.extract(left), model.extract(right)
    rows = mutual_nearest(a, b)
    points, found = first[rows[:, 0]], second[rows[:, 1]]
    x, y = np.round(points).astype(int).T
    shift = disparity[y, x]
    known = np.isfinite(shift)
    errors = np.hypot(points[:, 0] - shift - found[:, 0], points[:, 1] - found[:, 1])
    cosines = np.einsum("kd,kd->k", a[rows[:, 0]], b[rows[:, 1]])
    return cosines[known], errors[known] <= TOLERANCE


if __name__ == "__main__":
    main()
