"""Memory in use stays what it is, however many photos or pairs go by."""

import ctypes
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.image_set import ImageEntry
from hndesc.extraction.description import describe_keypoints
from hndesc.extraction.detection import detect_keypoints
from hndesc.io.features import FeatureReader, FeatureWriter
from hndesc.io.images import write_image
from hndesc.localization.matches import MatchReader, MatchWriter

# What HDF5 keeps of a file is full after some 450 entries; with its own bounds it grows by 5 to 13 MB up to the end.
SETTLED = 500
END = 2 * SETTLED
GROWTH = 2_000_000


class Allocated(ctypes.Structure):
    """What glibc's mallinfo2 returns."""

    _fields_ = (
        *((f"other_{number}", ctypes.c_size_t) for number in range(4)),
        ("hblkhd", ctypes.c_size_t),  # bytes of large blocks
        *((f"other_{number}", ctypes.c_size_t) for number in range(4, 6)),
        ("uordblks", ctypes.c_size_t),  # bytes of all others
        *((f"other_{number}", ctypes.c_size_t) for number in range(6, 8)),
    )


@pytest.fixture
def in_use() -> Callable[[], int]:
    """Tell the bytes that are allocated and not freed."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        pytest.skip("asks glibc, 2.33 or later")
    mallinfo2.restype = Allocated

    def read() -> int:
        samples = mallinfo2()
        return samples.uordblks + samples.hblkhd

    return read


def watch(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, in_use: Callable[[], int]) -> list[int]:
    """Return a list that gets what is in use at two of a method's calls, the last one wanted among them."""
    samples: list[int] = []
    number = count(1)
    original = getattr(owner, method)

    def call(*arguments: object) -> object:
        if next(number) % SETTLED == 0:
            samples.append(in_use())
        return original(*arguments)

    monkeypatch.setattr(owner, method, call)
    return samples


def growth(samples: list[int]) -> int:
    settled, end = samples
    return end - settled


@pytest.mark.slow
def test_detection_and_description_keep_nothing_of_a_photo(tmp_path: Path, monkeypatch, in_use):
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", image)
    photos = [ImageEntry(f"folder/{number:05d}.png", tmp_path / "a.png") for number in range(END)]
    written = watch(monkeypatch, FeatureWriter, "write", in_use)
    detect_keypoints(photos, tmp_path / "k.h5", "sift", max_keypoints=4)
    assert growth(written) < GROWTH
    written.clear()
    read = watch(monkeypatch, FeatureReader, "read", in_use)
    describe_keypoints(photos, tmp_path / "k.h5", tmp_path / "d.h5", "sift")
    assert growth(read) < GROWTH
    assert growth(written) < GROWTH


@pytest.mark.slow
def test_matching_and_reading_matches_keep_nothing_of_a_pair(tmp_path: Path, monkeypatch, in_use):
    pairs = [(f"db/{number:05d}.jpg", f"db/{number + 1:05d}.jpg") for number in range(END)]
    written = watch(monkeypatch, MatchWriter, "write", in_use)
    with MatchWriter(tmp_path / "m.h5", {}, {}) as writer:
        for pair in pairs:
            writer.write(pair, np.zeros(4, np.int16), np.zeros(4, np.float16))
    assert growth(written) < GROWTH
    read = watch(monkeypatch, MatchReader, "read", in_use)
    with MatchReader(tmp_path / "m.h5") as reader:
        for pair in pairs:
            reader.read(*pair)
    assert growth(read) < GROWTH
