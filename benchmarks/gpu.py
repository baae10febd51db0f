"""Performance on a GPU: detection, description, matching and training, with memory, beside the CPU and other networks.

    python benchmarks/gpu.py [--device cuda] [--seconds N] [--weights FOLDER ...]

Each row repeats its work for --seconds after a warm-up, and waits for the device before the clock is read. Images are
cut from a mosaic of the photographs in scikit-image, 640 x 480 pixels with 2,048 keypoints at random positions.
Training reads such images as JPEG files. Waiting is the share of the time in which a training step waits for its batch.
Memory is the peak that torch has allocated on the device. The whole takes less than four minutes on a GPU.
kornia's networks have random weights, since only their speed is measured; they are left out where it is not installed.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from extraction import SHARED, mosaic, photo, weights_file
from training_data import random_keypoints

from hndesc.descriptors.network import NetworkDescriptor
from hndesc.detectors import load_detector
from hndesc.errors import HndescError
from hndesc.extraction.model import find_model
from hndesc.io.images import write_image
from hndesc.matching.nearest_neighbors import mutual_nearest
from hndesc.models.initial_weights import build_model
from hndesc.models.sampling import normalize_images
from hndesc.runtime.devices import choose_device
from hndesc.training.batches import stream_batches
from hndesc.training.data import PairBatches
from hndesc.training.settings import training_settings
from hndesc.training.sources import TrainingPhotos
from hndesc.training.state import StateFolder
from hndesc.training.trainer import Trainer

SIZE = "640x480"
PHOTOS = 64
TRAININGS = (("lite_pyramid", "float32"), ("lite_pyramid", "bfloat16"), ("r2d2_pyramid", "bfloat16"))
ROW = "{:66} {:>10} {:>8} {:>10}"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="torch device (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="for each row (default: %(default)s)")
    parser.add_argument("--weights", type=Path, nargs="+", default=[SHARED], help="folders of pretrained weights")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16], help="of networks (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="of training (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="of training (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        device = choose_device(arguments.device)
    except HndescError as error:
        parser.error(str(error))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print(f"{name}, torch {torch.__version__}")
    print(ROW.format("work", "per second", "waiting", "memory GiB"), flush=True)
    for label, work, count in parts(device, arguments.weights, arguments.batches):
        report(label, work, count, device, arguments.seconds)
    for architecture, precision in TRAININGS:
        train(architecture, precision, device, arguments)


def parts(
    device: torch.device, weights: list[Path], sizes: list[int]
) -> Iterator[tuple[str, Callable[[], object], int]]:
    """Yield a label, the work, and how many images or pairs it processes."""
    image, features = photo(SIZE)
    if superpoint := weights_file("superpoint", weights):
        detector = load_detector("superpoint", superpoint)
        yield "detection, SuperPoint (images)", partial(detector.detect, image), 1
    for name in ("hndesc-lite", "hndesc-r2d2"):
        for precision in ("bfloat16", "float32"):
            describer = NetworkDescriptor(find_model(name), str(device), compute_precision=precision)
            yield f"description, {name}, {precision} (images)", partial(describer.describe, image, features), 1
        yield from networks(name, describer.model, normalize_images(image[None]), device, sizes)
    yield from kornia_networks(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255, device, sizes)
    descriptors = np.random.default_rng(0).standard_normal((2, 4096, 128)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=2, keepdims=True)
    yield "matching 4096 x 4096 x 128, this project, CPU (pairs)", partial(mutual_nearest, *descriptors), 1
    on_device = torch.from_numpy(descriptors).to(device)
    yield "matching 4096 x 4096 x 128, torch, device (pairs)", partial(mutual_in_torch, *on_device), 1


def networks(
    name: str, network: torch.nn.Module, image: torch.Tensor, device: torch.device, sizes: list[int]
) -> Iterator[tuple[str, Callable[[], object], int]]:
    """Yield a network alone by batch size and precision."""
    for number in sizes:
        batch = image.repeat(number, 1, 1, 1).to(device, memory_format=torch.channels_last)
        for precision in (torch.float32, torch.bfloat16):
            label = f"network alone, {name}, batch {number}, {str(precision).removeprefix('torch.')} (images)"
            yield label, partial(run, network, batch, precision), number


def kornia_networks(
    image: torch.Tensor, device: torch.device, sizes: list[int]
) -> Iterator[tuple[str, Callable[[], object], int]]:
    """Yield networks of kornia, with random weights."""
    if importlib.util.find_spec("kornia") is None:
        print("kornia is not installed: its DISK is left out", flush=True)
        return
    from kornia.feature import DISK

    network = DISK().eval().to(device)
    for number in sizes:
        batch = image.repeat(number, 1, 1, 1).to(device)
        work = partial(run, network.heatmap_and_dense_descriptors, batch)
        yield f"network alone, kornia's DISK, batch {number}, float32 (images)", work, number


def run(network: Callable, batch: torch.Tensor, precision: torch.dtype = torch.float32) -> None:
    """Run a network once."""
    with torch.inference_mode(), torch.autocast(batch.device.type, torch.bfloat16, precision is torch.bfloat16):
        network(batch)


def mutual_in_torch(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the mutual nearest neighbors by one product on the device, as most libraries find them."""
    similarity = first @ second.T
    forward, backward = similarity.argmax(1), similarity.argmax(0)
    rows = torch.arange(len(first), device=first.device)
    return rows[backward[forward] == rows]


def train(architecture: str, precision: str, device: torch.device, arguments: argparse.Namespace) -> None:
    """Measure training steps on JPEG files."""
    settings = training_settings(
        {
            "architecture": architecture,
            "precision": precision,
            "device": device.type,
            "batch_size": arguments.batch_size,
            "workers": arguments.workers,
            "steps": 10**6,
            "validation": {"pairs": 2},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PHOTOS):
            corner = 5 * number
            write_image(Path(folder) / f"photos/{number}.jpg", mosaic(480 + corner, 640 + corner)[corner:, corner:])
        random_keypoints(Path(folder) / "photos", Path(folder) / "keypoints.h5")
        data = TrainingPhotos(Path(folder) / "photos", Path(folder) / "keypoints.h5", None, None)
        batches = PairBatches(data, data.names, settings)
        trainer = Trainer(
            build_model(architecture, "random"), batches, [], settings, StateFolder(Path(folder) / "s", "")
        )
        waited = [0.0]
        pinned = device.type == "cuda"
        stream = timed(stream_batches(batches, range(settings.steps), settings.workers, pinned), waited)
        trainer._update(stream)

        def step() -> None:
            trainer._update(stream)
            trainer.step += 1

        label = f"training, {architecture}, {precision}, batch {arguments.batch_size} (pairs)"
        report(label, step, arguments.batch_size, device, arguments.seconds, waited)
        stream.close()


def timed(stream: Iterator, waited: list[float]) -> Iterator:
    """Yield from a stream and add up the time that it takes."""
    while True:
        start = time.perf_counter()
        batch = next(stream)
        waited[0] += time.perf_counter() - start
        yield batch


def report(
    label: str,
    work: Callable[[], object],
    count: int,
    device: torch.device,
    seconds: float,
    waited: list[float] | None = None,
) -> None:
    """Repeat the work and print its row."""
    cuda = device.type == "cuda"
    wait = partial(torch.cuda.synchronize, device) if cuda else lambda: None
    work()
    wait()
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    if waited is not None:
        waited[0] = 0.0
    times, start = 0, time.perf_counter()
    while times == 0 or time.perf_counter() - start < seconds:
        work()
        times += 1
        if times % 8 == 0:
            wait()
    wait()
    taken = time.perf_counter() - start
    memory = f"{torch.cuda.max_memory_allocated(device) / 2**30:.2f}" if cuda else ""
    waiting = "" if waited is None else f"{waited[0] / taken:.0%}"
    print(ROW.format(label, f"{times * count / taken:.1f}", waiting, memory), flush=True)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
