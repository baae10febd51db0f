"""Performance of matching image pairs and writing them to a COLMAP database, in batches and one by one.

    python benchmarks/localization.py [--images N] [--keypoints N] [--threads N]

One by one is the published method: for each pair, read the features of both images, match them by the whole similarity
matrix, write the matches through sqlite3 and commit. In batches is the method of this package: features are read once,
pairs are matched by several processes and stored in a file from which an interrupted run resumes, and the database is
written in one transaction. Features are random, half of them shared by any two images. Verification of the matches is
timed separately.
"""

import argparse
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from itertools import combinations
from pathlib import Path

import numpy as np

from hndesc.datasets.localization.posed import CAMERAS, COLUMNS, read_posed
from hndesc.io.features import FeatureReader, Features, FeatureWriter
from hndesc.localization.database import assign_ids, write_database
from hndesc.localization.mapping import verify
from hndesc.localization.matches import MatchReader, match_pairs

SIDE, FOCAL, DIMENSIONS = 1000, 1000.0, 128


def main() -> None:
    """Measure both methods on the same features."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images", type=int, default=24, help="number of images, all of which are paired (default: %(default)s)"
    )
    parser.add_argument("--keypoints", type=int, default=2048, help="keypoints per image (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="(default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder, arguments.images, arguments.keypoints)
        pairs = list(combinations([f"{number}.jpg" for number in range(arguments.images)], 2))
        print(f"{len(pairs)} pairs of {arguments.keypoints} keypoints, {DIMENSIONS} dimensions", flush=True)
        single = timed(lambda: one_by_one(folder, pairs))
        print(f"one by one, a commit each: {len(pairs) / single:.1f} pairs/s", flush=True)
        for threads in sorted({1, arguments.threads}):
            (folder / "batches.db").unlink(missing_ok=True)
            batched = timed(lambda threads=threads: in_batches(folder, threads))
            rate = f"{len(pairs) / batched:.1f} pairs/s, {single / batched:.2f} times faster"
            print(f"in batches, one transaction, {threads} threads: {rate}", flush=True)
            seconds = timed(lambda threads=threads: verify(folder / "batches.db", 0, threads))
            print(f"verification, {threads} threads: {len(pairs) / seconds:.1f} pairs/s", flush=True)


def timed(work) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def make_scene(folder: Path, images: int, keypoints: int) -> None:
    """Write posed cameras on a line, a list of all pairs, and features, half of which are in each image."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-3, -3, 8], [3, 3, 12], (2 * keypoints, 3))
    known = unit(rng.normal(size=(len(points), DIMENSIONS)))
    rows = ["\t".join(COLUMNS)]
    with FeatureWriter(folder / "features.h5", {}) as writer:
        for number in range(images):
            shift = number / images - 0.5
            camera = [SIDE, SIDE, FOCAL, FOCAL, SIDE / 2, SIDE / 2, *np.eye(3).ravel(), -shift, 0.0, 0.0]
            rows.append("\t".join([f"{number}.jpg", *map(str, camera)]))
            seen = rng.permutation(len(points))[:keypoints]
            inside = points[seen] - [shift, 0, 0]
            pixels = (inside[:, :2] / inside[:, 2:] * FOCAL + SIDE / 2).astype(np.float32)
            descriptors = unit(known[seen] + 0.02 * rng.normal(size=(keypoints, DIMENSIONS)))
            features = Features(pixels, (SIDE, SIDE), np.ones(keypoints, np.float32), descriptors.astype(np.float32))
            writer.write(f"{number}.jpg", features)
    (folder / CAMERAS).write_text("\n".join(rows) + "\n")
    names = [f"{number}.jpg" for number in range(images)]
    (folder / "pairs.txt").write_text("".join(f"{first} {second}\n" for first, second in combinations(names, 2)))


def unit(values: np.ndarray) -> np.ndarray:
    """Scale rows to length 1."""
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def one_by_one(folder: Path, pairs: list[tuple[str, str]]) -> None:
    """Match pairs one by one and write them through sqlite3 to a database of the images, with a commit each."""
    scene = read_posed(folder)
    ids = assign_ids(scene)
    with FeatureReader(folder / "features.h5") as features:
        write_database(folder / "single.db", scene, ids, features, Nothing())
        with closing(sqlite3.connect(folder / "single.db")) as database:
            for first, second in pairs:
                rows = plain_nearest(features.read(first).descriptors, features.read(second).descriptors)
                low, high = sorted((ids[first][0], ids[second][0]))
                rows = rows if low == ids[first][0] else rows[:, ::-1]
                values = low * (2**31 - 1) + high, *rows.shape, rows.astype(np.uint32).tobytes()
                database.execute("INSERT INTO matches VALUES (?, ?, ?, ?)", values)
                database.commit()


def plain_nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return mutual nearest neighbors from the whole similarity matrix."""
    similarity = a @ b.T
    to_b, to_a = similarity.argmax(axis=1), similarity.argmax(axis=0)
    mutual = np.flatnonzero(to_a[to_b] == np.arange(len(a)))
    return np.stack([mutual, to_b[mutual]], axis=1)


class Nothing:
    """Replaces a match file without matches."""

    def read(self, *_: str) -> None:
        """Return no matches."""


def in_batches(folder: Path, threads: int) -> None:
    """Match and write like the workflow."""
    match_pairs(folder, folder / "features.h5", folder / "matches.h5", threads=threads)
    scene = read_posed(folder)
    with FeatureReader(folder / "features.h5") as features, MatchReader(folder / "matches.h5") as matches:
        write_database(folder / "batches.db", scene, assign_ids(scene), features, matches)


if __name__ == "__main__":
    main()
