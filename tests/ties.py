"""Prints what matching makes of equal descriptors and of equal products, for `test_nearest` to run elsewhere."""

import hashlib

import numpy as np

from hndesc.matching.nearest_neighbors import mutual_nearest


def main() -> None:
    """Print how often equal descriptors are matched wrongly, and a hash of the pairs of descriptors of few values."""
    rng = np.random.default_rng(0)
    wrong, digest = 0, hashlib.sha256()
    for dim in (1, 3, 32, 61, 128):
        for count in (70, 600, 1500):
            a = rng.normal(size=(count, dim)).astype(np.float32)
            a /= np.linalg.norm(a, axis=1, keepdims=True)
            a[rng.choice(count, count // 4)] = a[rng.choice(count, count // 4)]
            first = np.sort(np.unique(a, axis=0, return_index=True)[1])
            wrong += not np.array_equal(mutual_nearest(a, a), np.stack([first, first], axis=1))
            digest.update(mutual_nearest(*rng.integers(-3, 4, (2, count, dim)).astype(np.float32)).tobytes())
    print(wrong, digest.hexdigest())


if __name__ == "__main__":
    main()
