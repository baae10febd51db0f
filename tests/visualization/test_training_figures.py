"""Pictures of a validation before and after training, from the record that training writes."""

from pathlib import Path

import matplotlib.axes
import numpy as np
import pytest
import torch

from hndesc.errors import HndescError
from hndesc.io.images import read_image
from hndesc.training.data import Batch
from hndesc.training.losses import Anchors
from hndesc.training.validation_record import write_record
from hndesc.visualization.style import INLIER, OUTLIER
from hndesc.visualization.training_figures import plot_validation


def batch_of(counts: list[int], size: int = 40) -> Batch:
    pairs, most = len(counts), max(counts)
    images = torch.zeros(2 * pairs, size, size, 3, dtype=torch.uint8)
    points = torch.rand(2 * pairs, most, 2, generator=torch.Generator().manual_seed(0)) * (size - 1)
    both = torch.tensor(counts * 2)
    return Batch(images, points, both, torch.arange(pairs), torch.zeros(0, dtype=torch.int64), ("x",) * pairs, ())


def anchors_of(counts: list[int], swapped: bool) -> Anchors:
    """Descriptors whose nearest ones are right, or within each pair those of the next keypoint."""
    pair = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    first = torch.eye(len(pair))
    starts = np.cumsum([0, *counts[:-1]])
    rows = [torch.arange(count).roll(int(swapped)) + start for count, start in zip(counts, starts, strict=True)]
    return Anchors(first, first[torch.cat(rows)], pair, pair)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    counts = [5, 3, 1]
    path = tmp_path / "validation.npz"
    networks = {"untrained": anchors_of(counts, True), "trained": anchors_of(counts, False)}
    write_record(path, batch_of(counts), networks)
    return path


def test_the_record_holds_what_is_nearest(record: Path) -> None:
    with np.load(record) as arrays:
        assert arrays["counts"].tolist() == [5, 3, 1]
        assert arrays["trained/nearest"].tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, -1, -1], [0, -1, -1, -1, -1]]
        assert arrays["untrained/nearest"][0].tolist() == [1, 2, 3, 4, 0]
        assert arrays["trained/positive"].tolist() == [1.0] * 9
        assert arrays["untrained/positive"].tolist() == [0.0] * 8 + [1.0]
        assert arrays["untrained/negative"].tolist() == [1.0] * 8  # the ninth keypoint is alone in its pair


def test_at_most_four_pairs_are_recorded(tmp_path: Path) -> None:
    counts = [2] * 7
    write_record(tmp_path / "r.npz", batch_of(counts), {"trained": anchors_of(counts, False)})
    with np.load(tmp_path / "r.npz") as arrays:
        assert arrays["first"].shape == arrays["second"].shape == (4, 40, 40, 3)
        assert len(arrays["trained/positive"]) == 14


def test_titles_count_what_is_right_and_colors_show_it(record: Path, tmp_path: Path, monkeypatch) -> None:
    titles = []
    monkeypatch.setattr(matplotlib.axes.Axes, "set_title", lambda axes, text: titles.append(text))
    plot_validation(record, tmp_path / "m.png", tmp_path / "s.png")
    before = ["before training: 0 of 5 correct", "before training: 0 of 3 correct", "before training: 1 of 1 correct"]
    after = ["after training: 5 of 5 correct", "after training: 3 of 3 correct", "after training: 1 of 1 correct"]
    assert titles[:6] == before + after
    left, right = np.array_split(read_image(tmp_path / "m.png")[:500].astype(int), 2, axis=1)
    green, red = (np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) for code in (INLIER, OUTLIER))
    assert _count(left, red) > 50 > _count(left, green)
    assert _count(right, green) > 50 > _count(right, red)


def _count(image: np.ndarray, color: np.ndarray) -> int:
    """Count the pixels of a color, drawn at 80 % over black."""
    return int((np.abs(image - 0.8 * color).max(axis=2) < 30).sum())


def test_histograms_are_shares(record: Path, tmp_path: Path, monkeypatch) -> None:
    drawn = []
    hist = matplotlib.axes.Axes.hist

    def keep(axes, values, *arguments, **style):
        drawn.append((values, style["weights"]))
        return hist(axes, values, *arguments, **style)

    monkeypatch.setattr(matplotlib.axes.Axes, "hist", keep)
    plot_validation(record, tmp_path / "m.svg", tmp_path / "s.svg")
    assert [len(values) for values, _ in drawn] == [9, 8, 9, 8]
    assert all(weights.sum() == pytest.approx(1) for _, weights in drawn)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "validation.npz"
    with pytest.raises(HndescError, match="no such file; train"):
        plot_validation(path, tmp_path / "m.png", tmp_path / "s.png")
    np.savez(path, first=np.zeros(3))
    with pytest.raises(HndescError, match="not a validation record"):
        plot_validation(path, tmp_path / "m.png", tmp_path / "s.png")
    path.write_text("nothing")
    with pytest.raises(HndescError, match="not a validation record"):
        plot_validation(path, tmp_path / "m.png", tmp_path / "s.png")
