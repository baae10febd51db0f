"""Features of a benchmark's images: one length of descriptors for all."""

from pathlib import Path

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.described_images import DescribedImages
from hndesc.io.features import Features, FeatureWriter


def test_descriptors_of_two_lengths_are_named(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with FeatureWriter(path, {}) as writer:
        for name, dim in (("a.jpg", 8), ("b.jpg", 8), ("c.jpg", 16)):
            points = np.ones((3, 2), np.float32)
            writer.write(name, Features(points, (40, 30), np.ones(3, np.float32), np.eye(3, dim, dtype=np.float32)))
    with DescribedImages(path, ["a.jpg", "b.jpg", "c.jpg"]) as reader:
        reader.read("a.jpg")
        reader.read("b.jpg")
        with pytest.raises(HndescError, match=r"f\.h5: 'c.jpg' has descriptors of 16 dimensions, 'a.jpg' of 8"):
            reader.read("c.jpg")
