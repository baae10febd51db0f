"""Performance of re-ranking compared with the published implementation, and memory by the size of the database.

    python benchmarks/reranking.py [FOLDER] [--pairs N] [--rounds N] [--threads N]
    python benchmarks/reranking.py [FOLDER] --memory 1000 10000

Without a folder, the photos of the optional extra test data are used (HNDESC_SHARED, or `shared` next to the checkout).

Speed: the queries are SIFT features of photos with the requested number of keypoints, including weak ones. A database
image is a photo warped by a homography, with noise on keypoints and descriptors, and four of five keypoints replaced by
those of other photos. Every fifth candidate shows the photo of the query. The published implementation processes one
pair at a time: the whole float32 similarity matrix by torch on all cores, its minima in both directions, OpenCV's
RANSAC, and inliers summed as a Python list. Its features are already in memory, those of this package are read from the
file. To separate the effect of the estimator, the published implementation is also measured with MAGSAC++. Each round
repeats all measurements, and medians count. Processor time is more reliable than pairs per second if other programs
run. Ours includes the start of the second process in each measurement (a second and a half of processor time), the
published one starts none: with few pairs the start counts for more than in the 7,000 pairs of a benchmark.

Memory: the shortlist step (small photos) and the re-ranking step (few keypoints, to limit the file size) run on
databases of the given sizes, each in a separate process whose peak resident size is printed.
"""

import argparse
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from clock import processor_seconds

from hndesc.descriptors import load_descriptor
from hndesc.detectors import load_detector
from hndesc.geometry.homography import warp_points
from hndesc.io.features import Features, FeatureWriter
from hndesc.io.images import find_images, read_image, resize_longest, write_image
from hndesc.retrieval.ranking import make_shortlist
from hndesc.retrieval.reranking import rerank_shortlist
from hndesc.retrieval.shortlist import Shortlist, write_shortlist

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared")) / "data" / "photos"
CANDIDATES = 20


def main() -> None:
    """Measure speed or memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT, help="photos (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=200, help="pairs to verify (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="number of repetitions (default: %(default)s)")
    parser.add_argument("--keypoints", type=int, default=4096, help="keypoints per image (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use (default: %(default)s)")
    parser.add_argument(
        "--memory", type=int, nargs="+", metavar="N", help="measure memory for these sizes of the database"
    )
    parser.add_argument("--child", nargs=2, metavar=("STEP", "DATA"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_step(*arguments.child)
    elif arguments.memory:
        for size in arguments.memory:
            measure_memory(arguments.folder, size)
    else:
        measure_speed(arguments.folder, arguments.keypoints, arguments.pairs, arguments.rounds, arguments.threads)


def photo_features(folder: Path, count: int, photos: int) -> list[Features]:
    """Return the SIFT features of some photos with `count` keypoints."""
    detector = load_detector("sift", max_keypoints=count, contrast_threshold=0.0)
    descriptor = load_descriptor("sift")
    names = find_images(folder)
    found = []
    for name in names[:: max(1, len(names) // (4 * photos))]:
        image = read_image(folder / name)
        features = detector.detect(image)
        if len(features) == count and len(found) < photos:
            codes = descriptor.describe(image, features)
            found.append(Features(features.keypoints, features.image_size, features.scores, codes))
    if len(found) < 2:
        raise SystemExit(f"{folder}: too few photos with {count} keypoints; use larger photos or fewer keypoints")
    return found


def second_view(photo: Features, others: list[Features], rng: np.random.Generator, kept: float = 0.2) -> Features:
    """Return the features of a simulated second view of a photo."""
    homography = np.eye(3) + rng.normal(size=(3, 3)) * [[0.05, 0.05, 20], [0.05, 0.05, 20], [2e-5, 2e-5, 0]]
    keypoints = warp_points(homography, photo.keypoints) + rng.normal(scale=0.7, size=photo.keypoints.shape)
    codes = photo.descriptors + rng.normal(scale=0.02, size=photo.descriptors.shape)
    replaced = np.flatnonzero(rng.random(len(photo)) > kept)
    other = others[rng.integers(len(others))]
    codes[replaced] = other.descriptors[replaced] + rng.normal(scale=0.02, size=(len(replaced), codes.shape[1]))
    keypoints[replaced] = other.keypoints[replaced]
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    return Features(keypoints.astype(np.float32), photo.image_size, photo.scores, codes.astype(np.float32))


def make_data(folder: Path, output: Path, keypoints: int, queries: int, database: int) -> dict[str, Features]:
    """Write a feature file (half precision) and a shortlist; return the features of the pairs in float32."""
    photos = photo_features(folder, keypoints, 12)
    names = [f"{number:06d}" for number in range(database)]
    ranks = np.stack([np.random.default_rng(row).permutation(database) for row in range(queries)])
    loaded = {}
    with FeatureWriter(output / "features.h5", {}) as writer:
        for number in range(queries):
            loaded[f"query/{number}"] = photos[number % len(photos)]
        for index, name in enumerate(names):
            rng = np.random.default_rng(index)
            own = index % 5 == 0
            photo = photos[(index // 5 % queries if own else index) % len(photos)]
            features = second_view(photo, photos, rng)
            if database <= 1000 and queries * database <= 5000:
                loaded[f"db/{name}"] = features
            writer.write(f"db/{name}", half(features))
        for number in range(queries):
            writer.write(f"query/{number}", half(loaded[f"query/{number}"]))
    write_shortlist(output / "shortlist.h5", Shortlist([str(q) for q in range(queries)], names, ranks))
    return loaded


def half(features: Features) -> Features:
    """Convert descriptors to half precision, as in the re-ranking of large sets."""
    return Features(features.keypoints, features.image_size, features.scores, features.descriptors.astype(np.float16))


def published_way(first: Features, second: Features, method: int) -> int:
    """Count the inliers of a pair like the published evaluation (where `method` is cv2.RANSAC)."""
    a, b = (torch.from_numpy(features.descriptors) for features in (first, second))
    distance = 2 - 2 * a @ b.t()
    _, to_second = torch.min(distance, dim=1)
    _, to_first = torch.min(distance, dim=0)
    rows = torch.arange(len(a))
    mutual = rows == to_first[to_second]
    one, two = rows[mutual].numpy(), to_second[mutual].numpy()
    if len(one) < 4:
        return 0
    mask = cv2.findHomography(first.keypoints[one], second.keypoints[two], method, 5.0)[1]
    return 0 if mask is None else sum(mask.ravel().tolist())


def rank_published(loaded: dict[str, Features], queries: list[str], names: list[str], method: int) -> np.ndarray:
    """Return the ranking of the candidates of each query by the published implementation."""
    counts = [[published_way(loaded[f"query/{q}"], loaded[f"db/{name}"], method) for name in names] for q in queries]
    return np.argsort(-np.array(counts), axis=1, kind="stable")


def measure_speed(folder: Path, keypoints: int, pairs: int, rounds: int, threads: int) -> None:
    """Print pairs per second of both implementations on the same pairs."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    # Warnings about candidates without inliers are not relevant here.
    logging.getLogger("hndesc").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as place:
        output = Path(place)
        queries = [str(number) for number in range(max(1, pairs // CANDIDATES))]
        loaded = make_data(folder, output, keypoints, len(queries), CANDIDATES)
        names = [f"{number:06d}" for number in range(CANDIDATES)]
        pairs = len(queries) * CANDIDATES
        print(f"{pairs} pairs, {keypoints} keypoints per image, {threads} threads, {rounds} rounds", flush=True)

        def ours(estimator: str) -> np.ndarray:
            files = output / "features.h5", output / "shortlist.h5"
            published = {"ratio": None, "min_inliers": 0}
            return rerank_shortlist(*files, names, queries, estimator=estimator, threads=threads, **published).after

        ways = {
            "published implementation, RANSAC (original)": lambda: rank_published(loaded, queries, names, cv2.RANSAC),
            "published implementation, MAGSAC++": lambda: rank_published(loaded, queries, names, cv2.USAC_MAGSAC),
            "hndesc, RANSAC": lambda: ours("ransac"),
            "hndesc, MAGSAC++": lambda: ours("magsac"),
        }
        times, orders = measure(ways, rounds, pairs)
    published, published_magsac, own, own_magsac = ways
    compare(own, published, times, orders)
    compare(own_magsac, published_magsac, times, orders)
    compare(own_magsac, published, times, orders)


def measure(ways: dict[str, Callable], rounds: int, pairs: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Print and return rounds x (seconds, processor seconds) per pair of each implementation, and its result."""
    times, orders = {name: [] for name in ways}, {}
    for name, way in ways.items():
        orders[name] = way()  # warm-up
    for _ in range(rounds):
        for name, way in ways.items():
            start, used = time.perf_counter(), processor_seconds()
            way()
            times[name].append(((time.perf_counter() - start) / pairs, (processor_seconds() - used) / pairs))
    for name, values in times.items():
        rates = ", ".join(f"{1 / seconds:.1f}" for seconds, _ in values)
        costs = ", ".join(f"{1000 * cost:.0f}" for _, cost in values)
        print(f"{name}: {rates} pairs/s; {costs} processor ms per pair", flush=True)
    return {name: np.array(values) for name, values in times.items()}, orders


def compare(own: str, other: str, times: dict[str, np.ndarray], orders: dict[str, np.ndarray]) -> None:
    """Print the speedup of one implementation over another, from the medians over rounds."""
    wall, cost = np.median(times[other], axis=0) / np.median(times[own], axis=0)
    same = np.mean([set(a[:2]) == set(b[:2]) for a, b in zip(orders[own], orders[other], strict=True)])
    print(
        f"{own}, compared with {other}: {wall:.1f} times as many pairs/s, {cost:.1f} times less processor time; the "
        f"same two candidates are first for {100 * same:.0f} % of the queries"
    )


def measure_memory(folder: Path, size: int) -> None:
    """Print the peak resident sizes of the two steps for one size of the database."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place)
        make_data(folder, output, 256, 10, size)
        make_photos(folder, output / "set", size)
        for step in ("shortlist", "reranking"):
            command = [sys.executable, __file__, "--child", step, str(output)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"{size} database images, {step}: {done.stdout.strip()}", flush=True)


def make_photos(folder: Path, output: Path, size: int) -> None:
    """Write a retrieval set of links to a few small photos."""
    (output / "jpg").mkdir(parents=True)
    names = find_images(folder)[:50]
    for number, name in enumerate(names):
        write_image(output / f"{number}.jpg", resize_longest(read_image(folder / name), 160)[0])
    database, queries = [f"{number:06d}" for number in range(size)], [f"q{number}" for number in range(10)]
    for number, name in enumerate([*database, *queries]):
        (output / "jpg" / f"{name}.jpg").symlink_to(output / f"{number % len(names)}.jpg")
    entry = {"bbx": [0, 0, 160, 160], "easy": [0], "hard": [], "junk": []}
    truth = {"imlist": database, "qimlist": queries, "gnd": [entry] * 10}
    (output / "gnd_set.pkl").write_bytes(pickle.dumps(truth))


def run_step(step: str, data: str) -> None:
    """Run one step and print the peak resident size and the time."""
    output = Path(data)
    start = time.perf_counter()
    if step == "shortlist":
        make_shortlist(output / "set", output / "own.h5", descriptor="color_gradient")
    else:
        names = sorted(link.stem for link in (output / "set" / "jpg").glob("[0-9]*.jpg"))
        queries = [str(number) for number in range(10)]
        rerank_shortlist(output / "features.h5", output / "shortlist.h5", names, queries, estimator="magsac")
    print(f"{peak_megabytes():.0f} MiB peak, {time.perf_counter() - start:.0f} s")


def peak_megabytes() -> float:
    """Return the peak resident size of this process (Linux), which getrusage does not separate from its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    main()
