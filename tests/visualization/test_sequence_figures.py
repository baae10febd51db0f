"""Match pictures of a benchmark: which pairs, under which names."""

from pathlib import Path

import numpy as np
import pytest

from hndesc.io.features import Features, FeatureWriter
from hndesc.io.images import write_image
from hndesc.visualization.sequence_figures import _figure_name, plot_sequences

SCENES = ("i_a", "i_b", "i_c", "v_a")


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """Sequences in which image k is image 1 moved by 4 k pixels."""
    for scene in SCENES:
        for number in range(1, 7):
            write_image(tmp_path / "root" / scene / f"{number}.ppm", np.full((60, 80, 3), 128, np.uint8))
            if number > 1:
                text = f"1 0 {4 * number}\n0 1 0\n0 0 1\n"
                (tmp_path / "root" / scene / f"H_1_{number}").write_text(text)
    return tmp_path / "root"


def write_features(path: Path, lost: str | None = None) -> Path:
    points = np.random.default_rng(0).uniform(5, 60, (10, 2)).astype(np.float32)
    with FeatureWriter(path, {}) as writer:
        for name in (f"{scene}/{number}.ppm" for scene in SCENES for number in range(1, 7)):
            if name == lost:
                writer.fail(name, "truncated")
                continue
            moved = points + np.float32([0 if name.endswith("1.ppm") else 4 * int(name[-5]), 0])
            writer.write(name, Features(moved, (80, 60), np.ones(10, np.float32), np.eye(16, dtype=np.float32)[:10]))
    return path


def test_first_sequences_of_each_class_with_their_own_homography(benchmark: Path, tmp_path: Path, monkeypatch) -> None:
    from hndesc.visualization import match_figures

    correct = []
    classify = match_figures.classify_matches
    monkeypatch.setattr(match_figures, "classify_matches", lambda *a: (correct.append(found := classify(*a)), found)[1])
    features = write_features(tmp_path / "f.h5")
    figures = plot_sequences(benchmark, [features], tmp_path / "out", ["mine"], number=4)
    assert [path.stem for path in figures] == ["i_a_1-5", "i_b_1-5", "v_a_1-5"]
    assert all(path.stat().st_size > 1000 for path in figures)
    assert [found.correct.sum() for found in correct] == [10, 10, 10]


def test_sequences_whose_image_failed_are_skipped(benchmark: Path, tmp_path: Path) -> None:
    features = write_features(tmp_path / "f.h5", lost="i_a/4.ppm")
    figures = plot_sequences(benchmark, [features], tmp_path / "out", ["mine"])
    assert [path.stem for path in figures] == ["i_b_1-4", "i_c_1-4", "v_a_1-4"]


@pytest.mark.parametrize(
    ("sequence", "images", "name"),
    [
        ("i_pool", ("i_pool/1.ppm", "i_pool/3.ppm"), "i_pool_1-3"),
        ("i_pool", ("i_pool/i_pool_1.png", "i_pool/i_pool_3.png"), "i_pool_1-3"),
        ("facade", ("facade/morning.jpg", "night/facade.jpg"), "facade_morning-facade"),
        ("a/b", ("a/b/1.png", "a/b/a_b_.png"), "a_b_1-a_b_"),
    ],
)
def test_the_name_of_a_figure_says_the_sequence_once(sequence: str, images: tuple[str, str], name: str) -> None:
    assert _figure_name(sequence, images) == name
