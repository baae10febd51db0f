"""Performance of extracting a folder of photos, compared with the usual loop over one image at a time.

    python benchmarks/folder.py [FOLDER] [--model hndesc-fast] [--images N] [--cores 1 2] [--rounds N]

Without a folder, the photos of the optional extra test data are used (HNDESC_SHARED, or `shared` next to the checkout).

From JPEG to HDF5, with SIFT keypoints and a bundled model on both sides. The usual loop is that of hloc: a DataLoader
with one worker process reads images as float32, the main process detects and describes one at a time with as many
threads as there are cores, with the network as it is loaded, and opens the file for each image. This package works
on as many images at a time as there are cores. Either runs in a new process on the given number of cores. Both
alternate, and medians count; time begins when the libraries have been imported, and includes the start of the worker
process. Processor time is more reliable than images per second if other programs run.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from clock import processor_seconds
from torch.utils.data import DataLoader, Dataset

from hndesc.cli.options import list_photos
from hndesc.detectors import load_detector
from hndesc.extraction.description import extract
from hndesc.extraction.detection import detect
from hndesc.io.features import FeatureReader
from hndesc.models.bundled import bundled_models
from hndesc.models.checkpoint import load_checkpoint
from hndesc.models.sampling import IMAGENET_MEAN, IMAGENET_STD, sample_descriptors
from hndesc.runtime.logs import limit_threads

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared")) / "data" / "photos"
KEYPOINTS = 2000
MEBIBYTE = 2**20 if sys.platform == "darwin" else 2**10  # in units of ru_maxrss


def main() -> None:
    """Print images per second, processor time and memory of both ways for each number of cores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT, help="photos (default: %(default)s)")
    parser.add_argument("--model", default="hndesc-fast", choices=bundled_models(), help="(default: %(default)s)")
    parser.add_argument("--images", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "CORES", "OUTPUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        way, cores, output = arguments.child
        measure(WAYS[way], arguments, int(cores), Path(output))
        return
    for cores in arguments.cores:
        with tempfile.TemporaryDirectory() as folder:
            compare(arguments, cores, Path(folder))


def compare(arguments: argparse.Namespace, cores: int, folder: Path) -> None:
    """Print both ways on a number of cores, and that they do the same."""
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    for number in range(arguments.rounds):
        for name in WAYS:
            output = folder / f"{name}-{number}.h5"
            command = [sys.executable, __file__, "--child", name, str(cores), str(output), *sys.argv[1:]]
            measured[name].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in measured.items()
    }
    print(f"{arguments.images} images, {arguments.model}, {cores} core{'s' if cores > 1 else ''}")
    for name, values in middle.items():
        print(
            f"  {name:8} {arguments.images / values['seconds']:6.2f} images/s, "
            f"{values['processor'] / arguments.images * 1e3:5.0f} ms of processor an image, "
            f"{values['memory']:.0f} MiB at most in a process"
        )
    faster, cheaper = (middle["loop"][key] / middle["hndesc"][key] for key in ("seconds", "processor"))
    cosine = least_cosine(folder / "loop-0.h5", folder / "hndesc-0.h5")
    print(f"  {faster:.2f} times as many images/s, {cheaper:.2f} times less processor time; least cosine {cosine:.5f}")


def measure(way: Callable[..., None], arguments: argparse.Namespace, cores: int, output: Path) -> None:
    """Print what one run took as JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    limit_threads(cores)
    photos = list_photos([arguments.folder], upright=True)
    photos = photos[:: max(1, len(photos) // arguments.images)][: arguments.images]
    start, spent = time.perf_counter(), processor_seconds()
    way(photos, bundled_models()[arguments.model], output, cores)
    taken = {"seconds": time.perf_counter() - start, "processor": processor_seconds() - spent}
    usages = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps(taken | {"memory": max(usages) / MEBIBYTE}))


def by_hndesc(photos: list, checkpoint: Path, output: Path, cores: int) -> None:
    """Extract as `hndesc extract` does."""
    extract(photos, output, checkpoint, max_keypoints=KEYPOINTS, workers=cores)


class Images(Dataset):
    """Images as hloc reads them: RGB, float32 from 0 to 1, 3 x H x W."""

    def __init__(self, photos: list) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, number: int) -> tuple[str, np.ndarray]:
        image = cv2.imread(str(self.photos[number].path), cv2.IMREAD_COLOR)[:, :, ::-1].astype(np.float32)
        return self.photos[number].name, image.transpose(2, 0, 1) / 255.0


@torch.no_grad()
def by_loop(photos: list, checkpoint: Path, output: Path, cores: int) -> None:
    """Extract one image at a time."""
    detector = load_detector("sift", max_keypoints=KEYPOINTS)
    network, _ = load_checkpoint(checkpoint)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    for (name,), image in DataLoader(Images(photos), num_workers=1, shuffle=False):
        found = detect(detector, (image[0].permute(1, 2, 0) * 255).round().byte().numpy(), None)
        dense = network((image - mean) / std)
        points = torch.from_numpy(np.asarray(found.keypoints, np.float32))[None]
        described = sample_descriptors(dense, points, tuple(image.shape[-2:]))[0].numpy()
        with h5py.File(output, "a", libver="latest") as file:
            group = file.create_group(name)
            for key, values in {"keypoints": found.keypoints, "scores": found.scores, "descriptors": described}.items():
                group.create_dataset(key, data=values)


def least_cosine(loop: Path, hndesc: Path) -> float:
    """Return the least cosine of the descriptors of the same keypoint, over all images."""
    least = 1.0
    with h5py.File(loop) as file, FeatureReader(hndesc) as reader:
        for name in reader.names():
            pairs = np.einsum("kd,kd->k", file[name]["descriptors"][()], reader.read(name).descriptors)
            least = min([least, *pairs.tolist()])
    return least


WAYS: dict[str, Callable[..., None]] = {"loop": by_loop, "hndesc": by_hndesc}


if __name__ == "__main__":
    main()
