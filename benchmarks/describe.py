"""Performance of describing keypoints of an image by `lite`, compared with the network of SuperPoint.

    python benchmarks/describe.py [CHECKPOINT] [--size 640x480] [--keypoints 2000] [--repeat N] [--threads 1 2]

Measurements alternate, so that other programs affect both equally; the fastest repeat counts. `lite` is measured from
image to descriptors (normalization, network, sampling). Of SuperPoint, the whole network (encoder and both heads,
without postprocessing) and the part that describes (encoder, one head, sampling) are measured. Speed does not depend on
the weights, so random ones are used if no checkpoint is given.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from skimage import data

from hndesc.descriptors.network import NetworkDescriptor
from hndesc.descriptors.superpoint import sample_like_reference
from hndesc.detectors.superpoint import SuperPoint
from hndesc.io.features import Features
from hndesc.io.images import to_gray
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model


def main() -> None:
    """Print milliseconds and ratios for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", type=Path, help="trained model (default: untrained lite)")
    parser.add_argument("--size", default="640x480", help="width x height of the image (default: %(default)s)")
    parser.add_argument("--keypoints", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    image = np.ascontiguousarray(np.resize(data.coffee(), (height, width, 3)))
    points = np.random.default_rng(0).uniform((0, 0), (width - 1, height - 1), (arguments.keypoints, 2))
    features = Features(points.astype(np.float32), (width, height), np.ones(len(points), np.float32))
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        times = interleaved(candidates(arguments.checkpoint, image, features), arguments.repeat)
        own, *others = times.values()
        print(f"{width}x{height}, {len(points)} keypoints, {threads} thread{'s' if threads > 1 else ''}")
        print(f"  {next(iter(times)):34} {own * 1e3:7.1f} ms")
        for name, other in zip(list(times)[1:], others, strict=True):
            print(f"  {name:34} {other * 1e3:7.1f} ms   ratio {own / other:.3f}", flush=True)


def candidates(checkpoint: Path | None, image: np.ndarray, features: Features) -> dict[str, Callable[[], object]]:
    """Return the measured functions by name, that of this package first."""
    superpoint = SuperPoint().eval()
    gray = torch.from_numpy(to_gray(image))[None, None].float() / 255
    points = torch.from_numpy(features.keypoints)

    @torch.inference_mode()
    def whole() -> object:
        encoded = superpoint.encode(gray)
        return superpoint.scores(encoded), superpoint.descriptors(encoded)

    @torch.inference_mode()
    def describing() -> object:
        return sample_like_reference(superpoint.descriptors(superpoint.encode(gray)), points)

    model = load(checkpoint)
    return {
        f"{model.settings['architecture']}: describes": lambda: model.describe(image, features),
        "SuperPoint's network": whole,
        "SuperPoint: describes": describing,
    }


def load(checkpoint: Path | None) -> NetworkDescriptor:
    """Return the descriptor of a checkpoint, or of an untrained network."""
    if checkpoint is not None:
        return NetworkDescriptor(checkpoint, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "untrained.safetensors"
        save_checkpoint(path, build_model("lite", "random", seed=0), {})
        return NetworkDescriptor(path, device="cpu")


def interleaved(work: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Return the minimum seconds of each function in alternating runs; the first round does not count."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeat + 1):
        for name, run in work.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    return {name: min(seconds[1:]) for name, seconds in taken.items()}


if __name__ == "__main__":
    main()
