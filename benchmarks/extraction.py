"""Performance of detectors and descriptors: images per second, and memory for a large image.

    python benchmarks/extraction.py [NAME ...] [--sizes 640x480 1024x768] [--seconds N] [--threads N]
    python benchmarks/extraction.py [NAME ...] --memory 4000x3000 [--most GIB]

Names are detectors (detect:sift), descriptors (describe:disk) and networks of this package (describe:lite, untrained
weights). By default, all are measured, baselines if their weights are found in --weights. Images are cut from a mosaic
of the photographs in scikit-image; descriptors get 2048 keypoints at random positions. Each measurement has a separate
process on the CPU, which repeats a size for --seconds. The fastest image counts, in wall-clock time and in processor
time, which other programs affect least. Memory is the peak resident size of the process, including Python and libraries
(about 0.4 GiB). With --memory, each processes one image, and is stopped if it needs more than --most.
"""

import argparse
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from hndesc.descriptors import DESCRIPTORS, load_descriptor
from hndesc.detectors import DETECTORS, load_detector
from hndesc.io.features import Features
from hndesc.models.architectures import MODELS
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.pretrained.baselines import WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared")) / "weights"
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "brick", "grass", "gravel")
KEYPOINTS = 2048
RESIDENT = 2**30 if sys.platform == "darwin" else 2**20  # units of ru_maxrss per GiB
# Networks of this package; r2d2 is also the name of a baseline.
OWN_NETWORKS = {"r2d2 (ours)": "r2d2"} | {name: name for name in MODELS.places if name != "r2d2"}
ROW = "{:22} {:>10} {:>9} {:>9} {:>12} {:>11} {:>10}"


def main() -> None:
    """Measure each part in a separate process, and print a table."""
    parts = [f"detect:{name}" for name in sorted(DETECTORS.places)]
    parts += [f"describe:{name}" for name in sorted([*DESCRIPTORS.places, *OWN_NETWORKS])]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(parts)}")
    parser.add_argument("--sizes", nargs="+", default=["640x480", "1024x768"], help="(default: %(default)s)")
    parser.add_argument("--memory", metavar="SIZE", help="measure only memory, for one image of this size")
    parser.add_argument("--most", type=float, default=12, help="limit of --memory in GiB (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="for each size, or one image (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--weights", type=Path, nargs="+", default=[ROOT / "data/weights", SHARED], help="folders")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        measure(arguments)
        return
    if unknown := set(arguments.names) - set(parts):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print(ROW.format("part", "photo", "images/s", "s/image", "CPU s/image", "memory GiB", "keypoints"), flush=True)
    for part in arguments.names or parts:
        if part.partition(":")[2] in WEIGHTS and weights_file(part.partition(":")[2], arguments.weights) is None:
            print(f"{part:22} no weights found in {', '.join(map(str, arguments.weights))}", flush=True)
        else:
            run(part, arguments.threads)


def run(part: str, threads: int) -> None:
    """Measure one part in a separate process, which prints a row per size."""
    few = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = os.environ | few | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, __file__, "--child", part, *sys.argv[1:]], env=environment)
    if done.returncode:
        print(f"{part:22} failed with status {done.returncode}", flush=True)


def measure(arguments: argparse.Namespace) -> None:
    """Print a row for each image size."""
    import cv2
    import torch

    logging.basicConfig(format="%(message)s")
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    part = arguments.child
    action, _, name = part.partition(":")
    made = make(action, name, arguments.weights)
    if arguments.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (int(arguments.most * 2**30),) * 2)
    for size in [arguments.memory] if arguments.memory else arguments.sizes:
        image, features = photo(size)
        work = partial(made.detect, image) if action == "detect" else partial(made.describe, image, features)
        try:
            wall, processor, found = quickest(work, 0 if arguments.memory else arguments.seconds)
        except (MemoryError, RuntimeError, cv2.error) as error:
            if "memory" not in str(error).lower():
                raise
            print(ROW.format(part, size, "", "", "", f"> {arguments.most:g}", ""), flush=True)
            return
        times = ("", "", "") if arguments.memory else (f"{1 / wall:.3f}", f"{wall:.3f}", f"{processor:.3f}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / RESIDENT
        print(ROW.format(part, size, *times, f"{peak:.2f}", len(found)), flush=True)


def quickest(work: Callable, budget: float) -> tuple[float, float, object]:
    """Repeat for `budget` seconds, at least once; return the minimum wall and processor time, and a result."""
    taken = []
    begin = time.perf_counter()
    while not taken or time.perf_counter() - begin < budget:
        start = time.perf_counter(), time.process_time()
        result = work()
        taken.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, processor = (min(times) for times in zip(*taken, strict=True))
    return wall, processor, result


def photo(size: str) -> tuple[np.ndarray, Features]:
    """Return an image of a size such as "640x480", and keypoints at random positions in it."""
    width, height = map(int, size.split("x"))
    points = np.random.default_rng(0).uniform(4, [width - 5, height - 5], (KEYPOINTS, 2)).astype(np.float32)
    return mosaic(height, width), Features(points, (width, height), np.ones(KEYPOINTS, np.float32))


def make(action: str, name: str, folders: list[Path]):
    """Return a detector or a descriptor."""
    weights = weights_file(name, folders)
    if action == "detect":
        return load_detector(name, weights)
    if name not in OWN_NETWORKS:
        return load_descriptor(name, weights)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "untrained.safetensors"
        save_checkpoint(checkpoint, build_model(OWN_NETWORKS[name], "random"), {})
        return load_descriptor(checkpoint)


def weights_file(name: str, folders: list[Path]) -> Path | None:
    """Find the pretrained weights of a method; for SuperPoint, rebuilt weights are accepted."""
    names = [WEIGHTS[name], "superpoint_v1_rebuilt.npz"][: 2 if name == "superpoint" else 1] if name in WEIGHTS else []
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def mosaic(height: int, width: int) -> np.ndarray:
    """Return an RGB uint8 image of tiled photographs, cropped to a size."""
    from skimage import data

    photos = cycle(np.broadcast_to(np.atleast_3d(getattr(data, name)())[:300, :400], (300, 400, 3)) for name in PHOTOS)
    rows = [np.hstack(list(islice(photos, -(-width // 400)))) for _ in range(-(-height // 300))]
    return np.ascontiguousarray(np.vstack(rows)[:height, :width])


if __name__ == "__main__":
    main()
