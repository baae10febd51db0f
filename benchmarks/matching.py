"""Performance of mutual nearest neighbors compared with faiss and torch, and memory by the number of descriptors.

    python benchmarks/matching.py [--count 4096] [--dimensions 128] [--repeat N]
    python benchmarks/matching.py --memory 50000 200000

Descriptors are random unit vectors; half of those of the second image are noisy copies from the first. One thread.
Measurements alternate, so that other programs affect all equally; the least processor time counts. faiss searches both
ways (IndexFlatIP), torch takes the maxima of the matrix of products in both directions; faiss is left out if it is not
installed (`pip install faiss-cpu`). All find the same pairs, but for equal products. With --memory, two images of each
size are matched in a separate process, which prints how much its peak resident size exceeds that before matching.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from hndesc.matching.nearest_neighbors import mutual_nearest

ROOT = Path(__file__).resolve().parents[1]
MEBIBYTE = 2**20 if sys.platform == "darwin" else 2**10  # in units of ru_maxrss


def main() -> None:
    """Print times or memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=4096, help="descriptors of each image (default: %(default)s)")
    parser.add_argument("--dimensions", type=int, default=128, help="(default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("--memory", type=int, nargs="+", metavar="N", help="measure memory for these sizes")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.child:
        print_memory(arguments.child, arguments.dimensions)
    elif arguments.memory:
        for count in arguments.memory:
            subprocess.run([sys.executable, __file__, "--child", str(count), *sys.argv[1:]], check=True)
    else:
        print_times(arguments.count, arguments.dimensions, arguments.repeat)


def images(count: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the descriptors of two images, each count x dimensions."""
    generator = np.random.default_rng(0)
    first, second = (generator.standard_normal((count, dimensions), dtype=np.float32) for _ in range(2))
    second[: count // 2] *= 0.5
    second[: count // 2] += generator.permutation(first)[: count // 2]
    for side in (first, second):
        side /= np.linalg.norm(side, axis=1, keepdims=True)
    return first, second


def print_times(count: int, dimensions: int, repeat: int) -> None:
    """Print the least processor time of each way, and how many times that of this package it is."""
    a, b = images(count, dimensions)
    ways: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"hndesc": mutual_nearest, "torch": by_torch}
    if find_spec("faiss") is not None:
        ways["faiss"] = by_faiss
    found = {name: way(a, b) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, way in ways.items():
            start = time.process_time()
            way(a, b)
            times[name].append(time.process_time() - start)
    print(f"{count} x {count} descriptors of {dimensions} dimensions, one thread")
    for name, taken in times.items():
        same = len(set(map(tuple, found[name])) & set(map(tuple, found["hndesc"])))
        least, ratio = min(taken), min(taken) / min(times["hndesc"])
        print(f"  {name:8} {least * 1e3:7.1f} ms, ratio {ratio:5.2f}, {len(found[name])} pairs, {same} as by hndesc")


def by_torch(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Match by the whole matrix of products."""
    products = torch.from_numpy(a) @ torch.from_numpy(b).T
    return mutual(products.argmax(dim=1).numpy(), products.argmax(dim=0).numpy())


def by_faiss(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Match by two exhaustive searches."""
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(1)
    nearest = []
    for queries, database in ((a, b), (b, a)):
        index = faiss.IndexFlatIP(database.shape[1])
        index.add(database)
        nearest.append(index.search(queries, 1)[1][:, 0])
    return mutual(*nearest)


def mutual(forth: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return the pairs, K x 2, that are nearest in both directions."""
    rows = np.flatnonzero(back[forth] == np.arange(len(forth)))
    return np.stack([rows, forth[rows]], axis=1)


def print_memory(count: int, dimensions: int) -> None:
    """Print the growth of the peak resident size, and the processor time, of one match."""
    mutual_nearest(*images(1536, 128))  # loads what is imported at the first match
    a, b = images(count, dimensions)
    before, start = peak(), time.process_time()
    pairs = mutual_nearest(a, b)
    seconds, grown = time.process_time() - start, peak() - before
    whole = count * count * 4 / 2**20
    print(
        f"{count} x {count}: {grown:.0f} MiB above {before:.0f}, {a.nbytes / 2**20:.0f} an image "
        f"(the matrix of products: {whole:,.0f}); {len(pairs)} pairs in {seconds:.1f} s of processor time",
        flush=True,
    )


def peak() -> float:
    """Return the peak resident size of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE


if __name__ == "__main__":
    main()
