"""Performance of the HPatches evaluation from stored features, compared with the published implementation.

    python benchmarks/hpatches.py [IMAGES FEATURES.h5] [--pairs N] [--threads N]

Without arguments, the two sequences and the features of the optional extra test data are used (HNDESC_SHARED, or
`shared` next to the checkout). They are repeated under other names, by links in the folder and hard links in the file,
up to the requested number of pairs. Nothing is cached between repetitions except by the operating system.

The published implementation is a loop over the pairs in one process: features are read and normalized, all distances
are computed by torch, with minima in both directions. For every homography threshold, the image is read again for its
size, the true homography is read again and RANSAC is run again. The implementation of this package is the step of the
workflow: mutual neighbors in blocks, image headers, one run of RANSAC, and several processes, whose start is included.
Both use the same number of cores. Processor time is more reliable than seconds if other programs run.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from clock import processor_seconds

from hndesc.datasets.homography.sequences import read_sequences
from hndesc.evaluation.hpatches.evaluate import score_hpatches

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared"))
CORNER_THRESHOLDS = (1, 3, 5, 10)


def main() -> None:
    """Evaluate the same pairs with both implementations and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="?", type=Path, default=SHARED / "data" / "hpatches_mini")
    parser.add_argument("features", nargs="?", type=Path, default=SHARED / "golden" / "hpatches_mini_features.h5")
    parser.add_argument("--pairs", type=int, default=540, help="image pairs (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pairs = repeat(arguments.images, arguments.features, folder, arguments.pairs)
        print(f"{pairs} pairs, {arguments.threads} threads", flush=True)
        torch.set_num_threads(arguments.threads)
        cv2.setNumThreads(arguments.threads)
        base, published = timed(
            "published implementation", pairs, lambda: published_way(folder / "images", folder / "features.h5")
        )
        own, ours = timed("ours", pairs, lambda: our_way(folder, arguments.threads))
        print(f"ratio: {base[0] / own[0]:.1f} in time, {base[1] / own[1]:.1f} in processor time")
        compare(published, ours)


def repeat(images: Path, features: Path, folder: Path, minimum: int) -> int:
    """Link sequences and their features under new names up to a minimum number of pairs; return the number."""
    sequences = read_sequences(images, layout="hpatches")
    count = 0
    (folder / "images").mkdir()
    with h5py.File(folder / "features.h5", "w") as file, h5py.File(features, "r") as source:
        for number in range(minimum):
            sequence = sequences[number % len(sequences)]
            name = f"{sequence.name}_{number:04d}"
            (folder / "images" / name).symlink_to((images / sequence.name).resolve())
            if number < len(sequences):
                source.copy(sequence.name, file, name)
            else:
                file[name] = file[f"{sequence.name}_{number % len(sequences):04d}"]
            count += len(sequence.pairs)
            if count >= minimum:
                return count
    return count


def timed(label: str, pairs: int, work: Callable[[], dict]) -> tuple[tuple[float, float], dict]:
    """Run a function; print and return seconds and processor seconds."""
    start, used = time.perf_counter(), processor_seconds()
    result = work()
    seconds, cost = time.perf_counter() - start, processor_seconds() - used
    print(
        f"{label}: {seconds:.1f} s, {pairs / seconds:.1f} pairs/s, {1000 * cost / pairs:.0f} processor ms per pair",
        flush=True,
    )
    return (seconds, cost), result


def our_way(folder: Path, threads: int) -> dict:
    """Evaluate by the step of the workflow."""
    return score_hpatches(folder / "images", folder / "features.h5", folder / "scores.txt", threads=threads)["figures"]


def published_way(root: Path, features: Path) -> dict:
    """Evaluate like the published implementation: scores over all pairs."""
    points, accuracies = {}, []
    for folder in sorted(root.iterdir()):
        first_points, first = read_features(features, f"{folder.name}/1.ppm")
        for number in range(2, 7):
            second_points, second = read_features(features, f"{folder.name}/{number}.ppm")
            matches = published_matches(torch.from_numpy(first), torch.from_numpy(second))
            points[folder, number] = first_points[matches[:, 0]], second_points[matches[:, 1]]
    for (folder, number), (one, other) in points.items():
        mapped = np.column_stack([one, np.ones(len(one))]) @ np.loadtxt(folder / f"H_1_{number}").T
        errors = np.linalg.norm(mapped[:, :2] / mapped[:, 2:] - other, axis=1)
        accuracies.append([np.mean(errors <= threshold) for threshold in range(1, 11)])
    correct = {}
    for threshold in CORNER_THRESHOLDS:
        errors = [published_corner_error(folder, number, *matched) for (folder, number), matched in points.items()]
        correct[threshold] = np.mean(np.array(errors) < threshold)
    return {"mma": np.mean(accuracies, axis=0), "homography_accuracy": correct}


def read_features(path: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read keypoints (N x 2) and descriptors (N x D) of an image."""
    with h5py.File(path, "r") as file:
        descriptors = np.ascontiguousarray(file[name]["descriptors"][()].T, np.float32)
        return file[name]["keypoints"][()], descriptors


def published_matches(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    """Return mutual nearest neighbors from the matrix of all distances."""
    first, second = (torch.nn.functional.normalize(codes) for codes in (first, second))
    distances = torch.sqrt(torch.clamp(2 - 2 * (first @ second.t()), min=0))
    forward, backward = torch.min(distances, dim=1)[1], torch.min(distances, dim=0)[1]
    rows = torch.arange(len(first))
    mutual = rows == backward[forward]
    return torch.stack([rows[mutual], forward[mutual]]).t().numpy()


def published_corner_error(folder: Path, number: int, one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean corner error of a pair, reading its image and homography again."""
    height, width = cv2.imread(str(folder / f"{number}.ppm"), cv2.IMREAD_UNCHANGED).shape[:2]
    truth = np.loadtxt(folder / f"H_1_{number}")
    estimate, _ = cv2.findHomography(one, other, cv2.RANSAC, 3.0, maxIters=5000, confidence=0.9995)
    if estimate is None:
        return float("inf")
    corners = np.array([[0, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1], [width - 1, 0, 1]])
    mapped = [corners @ homography.T for homography in (estimate, truth)]
    shown = [points[:, :2] / points[:, 2:] for points in mapped]
    return float(np.linalg.norm(shown[0] - shown[1], axis=1).mean())


def compare(published: dict, ours: dict) -> None:
    """Print the differences between the scores of both implementations."""
    mma = max(abs(ours["mma"][str(t)]["all"] - value) for t, value in enumerate(published["mma"], start=1))
    accuracy = max(
        abs(ours["homography_accuracy"][str(t)]["all"] - value) for t, value in published["homography_accuracy"].items()
    )
    print(f"largest difference of any score: {mma:.5f} (MMA), {accuracy:.5f} (homography accuracy)")
    print(f"MMA@3 over all pairs: {ours['mma']['3']['all']:.4f}")


if __name__ == "__main__":
    main()
