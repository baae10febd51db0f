"""Detecting and describing keypoints: images a second of each detector and descriptor, and memory for a large photo.

    python benchmarks/extraction.py [NAME ...] [--sizes 640x480 1024x768] [--repeat N]
    python benchmarks/extraction.py [NAME ...] --memory 4000x3000

Names are detectors (detect:sift), descriptors (describe:disk) and this package's networks (describe:lite, untrained
weights); without any, all are measured, published ones where their weights are found in --weights. Images are cut from
a mosaic of the photographs that scikit-image bundles; descriptors get 2048 keypoints at random places. Each measurement
is a process of its own on one thread: images are counted by its processor time, which other programs disturb least, and
memory is its greatest resident size, Python and libraries (about 0.4 GiB) included.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from hndesc.descriptors import DESCRIPTORS, load_descriptor
from hndesc.features import Features
from hndesc.keypoints import DETECTORS, load_detector
from hndesc.models import MODELS, build_model
from hndesc.models.checkpoint import save_checkpoint
from hndesc.peers import WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared")) / "weights"
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "brick", "grass", "gravel")
KEYPOINTS = 2048
# A network of ours that has the name of a published one.
OURS = {"r2d2 (ours)": "r2d2"} | {name: name for name in MODELS.places if name != "r2d2"}


def main() -> None:
    """Measure what is asked for, a process each, and print a line each."""
    parts = [f"detect:{name}" for name in sorted(DETECTORS.places)]
    parts += [f"describe:{name}" for name in sorted([*DESCRIPTORS.places, *OURS])]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(parts)}")
    parser.add_argument("--sizes", nargs="+", default=["640x480", "1024x768"], help="(default: %(default)s)")
    parser.add_argument("--memory", metavar="SIZE", help="measure memory alone, for one photo of this size")
    parser.add_argument("--repeat", type=int, default=3, help="images of each size (default: %(default)s)")
    parser.add_argument("--weights", type=Path, nargs="+", default=[ROOT / "data/weights", SHARED], help="folders")
    parser.add_argument("--child", nargs=2, metavar=("PART", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(*arguments.child, arguments.weights, 0 if arguments.memory else arguments.repeat)))
        return
    if unknown := set(arguments.names) - set(parts):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for part in arguments.names or parts:
        if part.partition(":")[2] in WEIGHTS and weights_file(part.partition(":")[2], arguments.weights) is None:
            print(f"{part:22} no weights found in {', '.join(map(str, arguments.weights))}", flush=True)
            continue
        for size in [arguments.memory] if arguments.memory else arguments.sizes:
            print(f"{part:22} {size:>10} {tell(part, size, arguments)}", flush=True)


def tell(part: str, size: str, arguments: argparse.Namespace) -> str:
    """Run one measurement in a process of its own; return its line."""
    command = [sys.executable, __file__, "--child", part, size, "--repeat", str(arguments.repeat), "--weights"]
    command += [str(folder) for folder in arguments.weights] + (["--memory", size] if arguments.memory else [])
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=os.environ | one_thread, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return f"failed with status {done.returncode}"
    told = json.loads(done.stdout)
    speed = "" if told["seconds"] is None else f"{1 / told['seconds']:8.3f} images/s"
    return f"{speed} {told['peak'] / 2**20:6.2f} GiB {told['keypoints']:6d} keypoints"


def measure(part: str, size: str, folders: list[Path], repeat: int) -> dict:
    """Return processor seconds an image (None without repeats), the greatest resident size in KiB, and keypoints."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    action, _, name = part.partition(":")
    width, height = map(int, size.split("x"))
    image = mosaic(height, width)
    points = np.random.default_rng(0).uniform(4, [width - 5, height - 5], (KEYPOINTS, 2)).astype(np.float32)
    features = Features(points, (width, height), np.ones(KEYPOINTS, np.float32))
    made = make(action, name, folders)

    def work() -> int:
        if action == "detect":
            return len(made.detect(image))
        return len(made.describe(image, features))

    found = work() if not repeat else 0
    seconds = []
    for _ in range(repeat):
        start = time.process_time()
        found = work()
        seconds.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": min(seconds) if seconds else None, "peak": peak, "keypoints": found}


def make(action: str, name: str, folders: list[Path]):
    """Make a detector or a descriptor."""
    weights = weights_file(name, folders)
    if action == "detect":
        return load_detector(name, weights)
    if name not in OURS:
        return load_descriptor(name, weights)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "untrained.safetensors"
        save_checkpoint(checkpoint, build_model(OURS[name], "random"), {})
        return load_descriptor(checkpoint)


def weights_file(name: str, folders: list[Path]) -> Path | None:
    """Find the published weights of a method; the rebuilt ones of SuperPoint will do."""
    names = [WEIGHTS[name], "superpoint_v1_rebuilt.npz"][: 2 if name == "superpoint" else 1] if name in WEIGHTS else []
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def mosaic(height: int, width: int) -> np.ndarray:
    """Return an RGB uint8 image of the bundled photographs side by side, cut to a size."""
    from skimage import data

    photos = cycle(np.broadcast_to(np.atleast_3d(getattr(data, name)())[:300, :400], (300, 400, 3)) for name in PHOTOS)
    rows = [np.hstack(list(islice(photos, -(-width // 400)))) for _ in range(-(-height // 300))]
    return np.ascontiguousarray(np.vstack(rows)[:height, :width])


if __name__ == "__main__":
    main()
