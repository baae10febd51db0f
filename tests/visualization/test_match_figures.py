"""Match figures: the verdict on each match, and the colors of the pixels."""

from pathlib import Path

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.geometry.homography import translation
from hndesc.io.features import Features, FeatureWriter
from hndesc.io.images import read_image, write_image
from hndesc.visualization.match_figures import classify_matches, draw_matches, plot_matches

SIZE = (160, 120)
GRAY = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)


def features(points: np.ndarray) -> Features:
    points = np.asarray(points, np.float32).reshape(-1, 2)
    return Features(points, SIZE, np.ones(len(points), np.float32), np.eye(64, dtype=np.float32)[: len(points)])


def grid(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(5, 100, (count, 2))


def pixels(path: Path) -> tuple[int, int]:
    """Count the clearly green and the clearly red pixels."""
    red, green, blue = np.moveaxis(read_image(path).astype(int), -1, 0)
    is_green, is_red = (green - np.maximum(red, blue) > 30), (red - np.maximum(green, blue) > 30)
    return int(is_green.sum()), int(is_red.sum())


def test_matches_are_classified_by_the_true_homography() -> None:
    points = grid(6)
    moved = points + np.array([10, 5])
    moved[1] += (2.9, 0)
    moved[2] += (0, 3.1)
    match_figures = classify_matches(features(points), features(moved), translation(10, 5), 3.0)
    assert match_figures.correct.tolist() == [True, True, False, True, True, True]
    assert np.allclose(match_figures.second, moved, atol=1e-4)


def test_matches_are_classified_by_a_homography_of_their_own_without_a_true_one() -> None:
    points = grid(30)
    moved = points + np.array([10, 5])
    moved[:6] = np.random.default_rng(1).uniform(0, 100, (6, 2))
    match_figures = classify_matches(features(points), features(moved), None, 3.0)
    assert match_figures.correct.tolist() == [False] * 6 + [True] * 24


@pytest.mark.parametrize(("right", "wrong"), [(12, 0), (0, 12), (6, 6)])
def test_green_means_correct_and_red_means_wrong(tmp_path: Path, right: int, wrong: int) -> None:
    points = grid(right + wrong)
    moved = points.copy()
    moved[right:] += (25, 0)
    path = tmp_path / "m.png"
    (found,) = draw_matches((GRAY, GRAY), ("a", "b"), [("x", features(points), features(moved))], path, np.eye(3))
    assert found.correct.sum() == right
    green, red = pixels(path)
    assert (green > 500) == (right > 0) and (green == 0) == (right == 0)
    assert (red > 500) == (wrong > 0) and (red == 0) == (wrong == 0)


def lines_and_titles(path: Path) -> tuple[dict[str, int], str]:
    """Count the line segments of each group of an SVG; return its text, too."""
    text = path.read_text()
    counts = {}
    for name in ("inliers", "outliers"):
        groups = [part.partition("</g>")[0] for part in text.split(f'<g id="{name}"')[1:]]
        counts[name] = sum(group.count("<path") for group in groups)
    return counts, text


def test_as_many_lines_as_matches_the_correct_ones_above(tmp_path: Path) -> None:
    points = grid(10)
    moved = points.copy()
    moved[:3] += (25, 0)
    rows = [("one", features(points), features(moved))]
    draw_matches((GRAY, GRAY), ("a", "b"), rows, tmp_path / "m.svg", np.eye(3))
    counts, text = lines_and_titles(tmp_path / "m.svg")
    assert counts == {"inliers": 7, "outliers": 3}
    assert text.index('id="outliers"') < text.index('id="inliers"')


def test_titles_count_all_matches_when_not_all_are_drawn(tmp_path: Path) -> None:
    points = grid(40)
    moved = points.copy()
    moved[:10] += (25, 0)
    rows = [("one", features(points), features(moved)), ("two", features(points[:0]), features(moved))]
    path = tmp_path / "m.svg"
    draw_matches((GRAY, GRAY), ("first.jpg", "second.jpg"), rows, path, np.eye(3), most_lines=12)
    counts, text = lines_and_titles(path)
    assert sum(counts.values()) == 12
    assert "one: 30 of 40 matches are correct (75 %), 12 of them drawn" in text
    assert "two: 0 of 0 matches are correct" in text
    assert "first.jpg" in text and "second.jpg" in text and "within 3 px of the true homography" in text


def test_lines_end_at_the_keypoints_of_photos_of_different_sizes(tmp_path: Path, monkeypatch) -> None:
    from hndesc.visualization import match_figures

    seen = []
    monkeypatch.setattr(match_figures, "_draw_lines", lambda axes, lines, correct: seen.append(lines))
    large = np.full((240, 200, 3), 128, np.uint8)
    second = Features(np.float32([[99.5, 119.5]]), (200, 240), np.ones(1), np.eye(64, dtype=np.float32)[:1])
    draw_matches((GRAY, large), ("a", "b"), [("x", features([[0, 0]]), second)], tmp_path / "m.png", np.eye(3))
    # 120 rows become 480: the center of the first pixel lies at 1.5; the center of the large photo stays its center.
    start, end = seen[0][0]
    assert start == pytest.approx((1.5, 1.5))
    assert end == pytest.approx((640 + 12 + 199.5, 239.5))


def store(path: Path, entries: dict[str, Features]) -> Path:
    with FeatureWriter(path, {}) as writer:
        for name, entry in entries.items():
            writer.write(name, entry)
    return path


def test_from_feature_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, GRAY)
    points = grid(20)
    files = [
        store(
            tmp_path / f"{name}.h5", {"s/a.png": features(points), "s/b.png": features(points + np.array([shift, 0]))}
        )
        for name, shift in (("good", 0), ("bad", 30))
    ]
    images, names = (tmp_path / "a.png", tmp_path / "b.png"), ("s/a.png", "s/b.png")
    output = tmp_path / "deep" / "m.svg"
    plot_matches(images, names, files, output, homography=np.eye(3))
    text = output.read_text()
    assert "good: 20 of 20 matches" in text and "bad: 0 of 20 matches" in text
    plot_matches(images, names, files[1:], output, ["mine"])
    assert "mine: 20 of 20 matches are inliers" in output.read_text()


def test_errors(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", GRAY)
    images = (tmp_path / "a.png", tmp_path / "a.png")
    bare = Features(np.zeros((1, 2), np.float32), SIZE, np.ones(1, np.float32))
    other = Features(np.zeros((1, 2), np.float32), (9, 9), np.ones(1, np.float32), np.eye(64, dtype=np.float32)[:1])
    file = store(tmp_path / "f.h5", {"a": features(grid(5)), "bare": bare, "other": other})
    output = tmp_path / "m.png"
    with pytest.raises(HndescError, match=r"f\.h5: no features of 'b'"):
        plot_matches(images, ("a", "b"), [file], output)
    with pytest.raises(HndescError, match="without descriptors"):
        plot_matches(images, ("a", "bare"), [file], output)
    with pytest.raises(HndescError, match=r"features of 'other' belong to an image of \(9, 9\) pixels"):
        plot_matches(images, ("a", "other"), [file], output)
    with pytest.raises(HndescError, match="no features whose matches"):
        plot_matches(images, ("a", "a"), [], output)
    assert not output.exists()
