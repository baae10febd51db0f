"""Match pictures of a homography benchmark: a few sequences of each class, one row a descriptor."""

import os
from collections.abc import Sequence
from pathlib import Path

from hndesc.benchmarks.sequences import read_sequences
from hndesc.features import FeatureReader
from hndesc.report.matches import plot_matches


def plot_sequences(
    root: str | os.PathLike,
    features: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    labels: Sequence[str],
    count: int = 2,
    image: int = 4,
) -> list[Path]:
    """Draw the matches of the first image with another one, for the first sequences of each class.

    Args:
        root: folder of the sequences.
        features: feature files with descriptors, one a descriptor.
        output: folder of the pictures, `<sequence>_1-<image>.jpg`.
        labels: name of each descriptor.
        count: sequences of each class, viewpoint and illumination.
        image: number of the other image, 2 to 6.

    Returns:
        The pictures.
    """
    root, output = Path(root), Path(output)
    lost = _lost(features)
    sequences = [one for one in read_sequences(root) if not lost & {one.images[0], one.images[image - 1]}]
    chosen = [one for kind in "iv" for one in [s for s in sequences if s.kind == kind][:count]]
    pictures = []
    for sequence in chosen:
        names = sequence.images[0], sequence.images[image - 1]
        pictures.append(output / f"{sequence.name}_1-{image}.jpg")
        plot_matches(
            (root / names[0], root / names[1]),
            names,
            [Path(path) for path in features],
            pictures[-1],
            labels,
            sequence.homographies[image - 2],
        )
    return pictures


def _lost(features: Sequence[str | os.PathLike]) -> set[str]:
    """Return the images that failed at extraction; their sequences are passed over."""
    lost: set[str] = set()
    for path in features:
        with FeatureReader(path) as reader:
            lost.update(reader.failed)
    return lost
