"""Random numbers of an item: they depend on a seed and a name, not on other items or the process."""

import hashlib

import numpy as np


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the random generator of one item: the same for the same seed and name, whatever else is made."""
    return np.random.default_rng([seed, stable_hash(name)])


def stable_hash(name: str) -> int:
    """Return a 64-bit number that is the same for a name in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
