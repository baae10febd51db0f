"""Performance of stylization methods on one core, and how well copies preserve edges and keypoints.

    python benchmarks/stylization.py [FOLDER] [STYLES] [--methods NAME ...] [--photos N] [--longest PIXELS]

Without folders, photos and styles of the optional extra test data are used (HNDESC_SHARED, or `shared` next to the
checkout). Speed is measured in processor time, which other programs affect least, for the method alone on photos of the
given longest side, and for the whole step including reading and writing JPEG files. Edges and keypoints are compared at
640 pixels. `wct2` is measured if --weights is given, on the GPU if there is one, in wall-clock time.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from hndesc.io.files import read_json
from hndesc.io.images import find_images, read_image, resize_longest, write_image
from hndesc.stylization import METHODS, needs_styles
from hndesc.stylization.measures import measure_stylization
from hndesc.stylization.methods import prepare
from hndesc.stylization.styles import Styles
from hndesc.stylization.stylize import stylize_photos

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared")) / "data"


def main() -> None:
    """Measure the methods and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=SHARED / "photos", help="photos (default: %(default)s)")
    parser.add_argument("styles", nargs="?", type=Path, default=SHARED / "styles", help="styles (default: %(default)s)")
    parser.add_argument("--methods", nargs="+", choices=sorted(METHODS.places), help="default: all available methods")
    parser.add_argument("--photos", type=int, default=40, help="number of photos (default: %(default)s)")
    parser.add_argument(
        "--longest", type=int, default=1024, help="longest side for the measurement of speed (default: %(default)s)"
    )
    parser.add_argument("--weights", type=Path, help="folder of the weights of wct2")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    methods = arguments.methods or [name for name in sorted(METHODS.places) if name != "wct2" or arguments.weights]
    names = find_images(arguments.folder)
    names = [names[place] for place in np.linspace(0, len(names) - 1, arguments.photos).astype(int)]
    with tempfile.TemporaryDirectory() as place:
        small, large = Path(place) / "small", Path(place) / "large"
        for name in names:
            image = read_image(arguments.folder / name)
            write_image(small / f"{name}.png", resize_longest(image, 640)[0])
        for name in names[: max(4, len(names) // 5)]:
            write_image(large / f"{name}.jpg", enlarge(read_image(arguments.folder / name), arguments.longest))
        for method in methods:
            settings = {"weights": str(arguments.weights)} if method == "wct2" else {}
            show(method, small, large, arguments.styles, settings, Path(place))


def enlarge(image: np.ndarray, longest: int) -> np.ndarray:
    """Resize an image to a longest side."""
    factor = longest / max(image.shape[:2])
    return cv2.resize(
        image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    )


def show(method: str, small: Path, large: Path, styles: Path, settings: dict, place: Path) -> None:
    """Measure a method and print the results."""
    alone, whole = speed(method, large, styles, settings, place)
    print(f"{method}: {alone:.1f} photos/s, with reading and writing {whole:.1f}", flush=True)
    stylize_photos(small, styles, place / "copies", method, **settings)
    measure_stylization(small, place / "copies", place / "measures.json", count=1000, contrast_threshold=0.0)
    figures = read_json(place / "measures.json")["methods"][method]
    rows: Sequence[tuple[str, dict]] = [("all", figures), *figures["classes"].items()]
    for name, one in rows if len(figures["classes"]) > 1 else rows[:1]:
        print(
            f"  {name:<8} {one['copies']:4d} copies: SSIM of edges {one['edge_similarity']:.3f}, "
            f"keypoint repeatability within 2 pixels {one['repeatability']:.3f}",
            flush=True,
        )


def speed(method: str, photos: Path, styles: Path, settings: dict, place: Path) -> tuple[float, float]:
    """Return photos per second of the method alone, and with reading and writing."""
    clock = time.perf_counter if method == "wct2" and torch.cuda.is_available() else time.process_time
    drawn = Styles(styles) if needs_styles(method) else None
    mixture = prepare(method, settings, None, drawn, None, 0)
    images = {name: read_image(photos / name) for name in find_images(photos)}
    draws = {name: mixture.draw(name) for name in images}
    first = next(iter(images))
    mixture.copy(images[first], draws[first], first)
    for draw in draws.values():
        if draw.style:
            drawn.read(draw.style)
    start = clock()
    for name, image in images.items():
        mixture.copy(image, draws[name], name)
    alone = clock() - start
    start = clock()
    stylize_photos(photos, styles, place / "whole", method, **settings)
    return len(images) / alone, len(images) / (clock() - start)


if __name__ == "__main__":
    main()
