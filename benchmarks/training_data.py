"""Performance of preparing training pairs in one process with one thread: decoding, crops, keypoints, colors.

    python benchmarks/training_data.py [FOLDER] [--pairs N] [--stylized FOLDER]

Without a folder, the photos of the optional extra test data are used (HNDESC_SHARED, or `shared` next to the checkout).
Keypoints are 2,000 random points per photo. Decoded photos are not cached.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from hndesc.io.features import Features, FeatureWriter
from hndesc.io.images import find_images, read_image
from hndesc.training.data import PairBatches
from hndesc.training.settings import training_settings
from hndesc.training.sources import TrainingPhotos

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared")) / "data" / "photos"
BATCH = 8


def main() -> None:
    """Measure crops of 192 and of 256 pixels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT, help="photos (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=400, help="pairs per crop size (default: %(default)s)")
    parser.add_argument("--stylized", type=Path, help="stylized copies of the photos, with the same names")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        keypoints = Path(folder) / "keypoints.h5"
        megapixels = random_keypoints(arguments.folder, keypoints)
        photos = TrainingPhotos(arguments.folder, keypoints, arguments.stylized, None)
        print(f"{len(photos.names)} photos of {megapixels:.2f} megapixels on average, one process, one thread")
        for size in (192, 256):
            print(f"crop {size}: {pairs_per_second(photos, size, arguments.pairs):.1f} pairs/s", flush=True)


def random_keypoints(folder: Path, output: Path, count: int = 2000) -> float:
    """Write random keypoints for each photo of a folder; return the mean size of the photos in megapixels."""
    pixels = []
    with FeatureWriter(output, {}) as writer:
        for number, name in enumerate(find_images(folder)):
            height, width = read_image(folder / name).shape[:2]
            points = np.random.default_rng(number).uniform((0, 0), (width - 1, height - 1), (count, 2))
            writer.write(name, Features(points.astype(np.float32), (width, height), np.ones(count, np.float32)))
            pixels.append(height * width)
    return float(np.mean(pixels)) / 1e6


def pairs_per_second(photos: TrainingPhotos, crop_size: int, pairs: int) -> float:
    """Measure the preparation of batches, after a warm-up batch."""
    settings = training_settings({"crop_size": crop_size, "batch_size": BATCH})
    batches = PairBatches(photos, photos.names, settings)
    batches.batch(0)
    count = max(1, pairs // BATCH)
    start = time.perf_counter()
    for number in range(1, 1 + count):
        batches.batch(number)
    return count * BATCH / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
