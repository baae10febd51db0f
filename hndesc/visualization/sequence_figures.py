"""Match figures of a homography benchmark for some sequences of each class, one row per descriptor."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from hndesc.datasets.homography.sequences import read_sequences
from hndesc.io.features import FeatureReader
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.visualization.match_figures import plot_matches

STEP = "plot_matches"


def plot_sequences(
    root: str | os.PathLike,
    features: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    labels: Sequence[str],
    count: int = 2,
    number: int = 3,
    layout: str | None = None,
) -> list[Path]:
    """Draw the matches of one pair of the first sequences of each class.

    Args:
        root: folder of the sequences.
        features: feature files with descriptors, one per descriptor.
        output: folder of the figures `<sequence>_<first image>-<second image>.jpg`, which is replaced.
        labels: name of each descriptor.
        count: number of sequences of each class, viewpoint and illumination.
        number: number of the pair, from 1; sequences with fewer pairs use their last one.
        layout: see `hndesc.datasets.homography.sequences.read_sequences`.

    Returns:
        The files of the figures.
    """
    root, output, inputs = Path(root), Path(output), [root, *features]
    check_output_folder(output, STEP, inputs)
    known = _known(features)
    shown = [(one, one.pairs[min(number, len(one.pairs)) - 1]) for one in read_sequences(root, layout=layout)]
    shown = [(one, pair) for one, pair in shown if {pair.first, pair.second} <= known]
    chosen = [entry for kind in ("i", "v", "") for entry in [each for each in shown if each[0].kind == kind][:count]]
    figures = []
    with replace_folder(output, STEP, inputs) as part:
        for sequence, pair in chosen:
            names = pair.first, pair.second
            figures.append(output / f"{_figure_name(sequence.name, names)}.jpg")
            plot_matches(
                (root / names[0], root / names[1]),
                names,
                [Path(path) for path in features],
                part / figures[-1].name,
                labels,
                pair.homography,
            )
    return figures


def _figure_name(sequence: str, images: tuple[str, str]) -> str:
    """Return <sequence>_<first image>-<second image>; images named after their sequence do not repeat it."""
    place = sequence.replace("/", "_")
    stems = (PurePosixPath(name).stem for name in images)
    return f"{place}_{'-'.join(stem.removeprefix(f'{place}_') or stem for stem in stems)}"


def _known(features: Sequence[str | os.PathLike]) -> set[str]:
    """Return the images whose features are in all files; other sequences are skipped."""
    known = []
    for path in features:
        with FeatureReader(path) as reader:
            known.append(set(reader.names()))
    return set.intersection(*known) if known else set()
