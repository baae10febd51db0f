"""Draw docs/figures/matches.jpg: hndesc-lite, SuperPoint and RootSIFT in a strong viewpoint change, by day and night.

    python docs/figures/matches.py [--superpoint data/weights/superpoint_v1.pth]

hndesc-lite, in several views, and RootSIFT have the same keypoints, OpenCV's SIFT with the settings of
config/hpatches.yaml; SuperPoint has its own. Matches are mutual nearest neighbors. The images are the first and the
last one of two sequences of the demo, made of china.jpg in scikit-learn (by danielbuechele, CC BY 2.0); their
true homographies are known.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from page_size import reduce

from hndesc.datasets.demo.sequences import make_sequences
from hndesc.datasets.image_set import ImageEntry
from hndesc.extraction.description import extract
from hndesc.io.features import FeatureReader
from hndesc.io.images import read_image
from hndesc.visualization.match_figures import Matches, classify_matches
from hndesc.visualization.style import INLIER, OUTLIER, figure

OUTPUT = Path(__file__).with_suffix(".jpg")
PAIRS = {"v_pagoda": "viewpoint", "i_pagodanight": "day and night"}
SIFT = {"detector": "sift", "max_keypoints": 4096, "contrast_threshold": 0.01}
METHODS = {"hndesc-lite": SIFT, "superpoint": {"detector": "superpoint"}, "rootsift": SIFT}
TITLES = {"hndesc-lite": "hndesc-lite", "superpoint": "SuperPoint", "rootsift": "RootSIFT"}
LINES = 40  # drawn, of each pair
THRESHOLD = 3.0  # pixels
GAP = 12


def main() -> None:
    """Describe, match and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--superpoint", type=Path, default=Path("data/weights/superpoint_v1.pth"), metavar="FILE")
    weights = parser.parse_args().superpoint
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_sequences(folder, seed=0)
        photos = [ImageEntry(f"{pair}/{k}", folder / pair / f"{k}.ppm") for pair in PAIRS for k in (1, 6)]
        images = {photo.name: read_image(photo.path) for photo in photos}
        truth = {pair: np.loadtxt(folder / pair / "H_1_6") for pair in PAIRS}
        found = {}
        for method, detector in METHODS.items():
            store = folder / f"{method}.h5"
            file = weights if method == "superpoint" else None
            views = method == "hndesc-lite"
            extract(photos, store, method, weights=file, descriptor_weights=file, views=views, **detector)
            with FeatureReader(store) as reader:
                for pair in PAIRS:
                    ends = reader.read(f"{pair}/1"), reader.read(f"{pair}/6")
                    found[method, pair] = classify_matches(*ends, truth[pair], THRESHOLD)
    draw(images, found)
    reduce(OUTPUT)


def draw(images: dict[str, np.ndarray], found: dict[tuple[str, str], Matches]) -> None:
    """Draw a row for each method and a column for each pair."""
    with figure(OUTPUT, 9.6, 6.0) as drawing:
        panels = drawing.subplots(len(METHODS), len(PAIRS), gridspec_kw={"width_ratios": _widths(images)})
        for row, method in zip(panels, METHODS, strict=True):
            for axes, pair in zip(row, PAIRS, strict=True):
                matches = found[method, pair]
                count, correct = len(matches.correct), int(matches.correct.sum())
                print(f"{TITLES[method]}, {PAIRS[pair]}: {correct} of {count} matches correct")
                axes.set_title(f"{TITLES[method]}: {correct} of {count} correct ({correct / max(count, 1):.0%})")
                axes.set_axis_off()
                _draw(axes, images[f"{pair}/1"], images[f"{pair}/6"], matches)


def _widths(images: dict[str, np.ndarray]) -> list[float]:
    return [_canvas(images[f"{pair}/1"], images[f"{pair}/6"])[0].shape[1] for pair in PAIRS]


def _canvas(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Place two images side by side, the lower one centered; return it, and the offset of each from the top."""
    height = max(len(first), len(second))
    tops = (height - len(first)) // 2, (height - len(second)) // 2
    canvas = np.full((height, first.shape[1] + GAP + second.shape[1], 3), 255, np.uint8)
    canvas[tops[0] : tops[0] + len(first), : first.shape[1]] = first
    canvas[tops[1] : tops[1] + len(second), first.shape[1] + GAP :] = second
    return canvas, *tops


def _draw(axes: Axes, first: np.ndarray, second: np.ndarray, matches: Matches) -> None:
    canvas, *tops = _canvas(first, second)
    axes.imshow(np.sqrt(canvas / 255) if first.mean() > 3 * second.mean() else canvas)  # the night is shown brighter
    shown = np.random.default_rng(0).permutation(len(matches.correct))[:LINES]
    shift = np.array([[0, tops[0]], [first.shape[1] + GAP, tops[1]]])
    ends = matches.first + shift[0], matches.second + shift[1]
    lines, correct = np.stack(ends, axis=1)[shown], matches.correct[shown]
    for mask, color, width in ((~correct, OUTLIER, 0.7), (correct, INLIER, 1.3)):
        axes.add_collection(LineCollection(lines[mask], colors=color, linewidths=width, alpha=0.9))


if __name__ == "__main__":
    main()
