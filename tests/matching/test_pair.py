"""Matches of a pair, and their files as other programs read them."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.matching.pair import Matches, check_matches_output, match_pair


def features(points: np.ndarray, descriptors: np.ndarray) -> Features:
    return Features(points.astype(np.float32), (640, 480), np.ones(len(points), np.float32), descriptors)


@pytest.fixture
def found() -> Matches:
    """Sixty keypoints, moved by (5, 7) and in reverse order, the first six of them somewhere else."""
    rng = np.random.default_rng(0)
    descriptors = rng.normal(size=(60, 32)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    points = rng.uniform(0, 400, (60, 2))
    moved = points + np.array([5, 7])
    moved[:6] = rng.uniform(0, 400, (6, 2))
    return match_pair(features(points, descriptors), features(moved[::-1], descriptors[::-1]))


def test_a_shift_is_a_homography(found: Matches) -> None:
    assert found.geometry == "homography" and found.counts["fundamental"] >= 54
    assert found.matches.tolist() == [[row, 59 - row] for row in range(60)]
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)
    assert found.inliers.tolist() == [False] * 6 + [True] * 54
    np.testing.assert_allclose(found.matrix, [[1, 0, 5], [0, 1, 7], [0, 0, 1]], atol=1e-3)
    np.testing.assert_allclose((found.points1 - found.points0)[found.inliers], np.tile([5, 7], (54, 1)), atol=1e-4)
    assert not found.by_chance


def read(path: Path) -> dict:
    if path.suffix == ".json":
        values = json.loads(path.read_text())
        return {key: value if key == "geometry" else np.array(value) for key, value in values.items()}
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return {key: archive[key][()] for key in archive.files}
    with h5py.File(path) as file:
        return {key: item[()].decode() if key == "geometry" else item[()] for key, item in file.items()}


@pytest.mark.parametrize("suffix", [".npz", ".json", ".h5"])
def test_files_have_the_keys_and_shapes(found: Matches, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    found.save(path)
    values = read(path)
    assert sorted(values) == ["geometry", "inliers", "keypoints0", "keypoints1", "matches", "matrix", "scores"]
    assert values["geometry"] == "homography"
    for key in ("keypoints0", "keypoints1", "matches", "scores", "inliers", "matrix"):
        assert np.array_equal(values[key], getattr(found, key)), key
    assert values["inliers"].dtype == bool and values["matches"].shape == (60, 2)
    before = path.read_bytes()
    found.save(path)  # replaces what it made
    assert path.read_bytes() == before or suffix == ".h5"


@pytest.mark.parametrize("suffix", [".npz", ".json", ".h5"])
def test_no_estimate(tmp_path: Path, suffix: str) -> None:
    none = np.empty((0, 2), np.float32)
    empty = match_pair(features(none, np.empty((0, 8), np.float32)), features(none, np.empty((0, 8), np.float32)))
    assert empty.geometry == "fundamental" and empty.matrix is None and empty.by_chance
    empty.save(tmp_path / f"m{suffix}")
    values = read(tmp_path / f"m{suffix}")
    matrix = values["matrix"]
    assert matrix == np.array(None) if suffix == ".json" else np.isnan(matrix).all() and matrix.shape == (3, 3)
    assert values["matches"].size == 0


def test_random_matches_are_no_evidence() -> None:
    rng = np.random.default_rng(1)
    for count in (20, 200, 1000):
        descriptors = np.eye(count, dtype=np.float32)
        sides = (features(rng.uniform(0, 1000, (count, 2)), descriptors) for _ in range(2))
        assert match_pair(*sides, geometry="fundamental").by_chance


@pytest.mark.parametrize("suffix", [".npz", ".json", ".h5"])
def test_foreign_files_stay(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"PK\3\4 a \0 user's own archive")
    with pytest.raises(HndescError, match="was not made by hndesc"):
        check_matches_output(path)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"must end in \.npz, \.json, \.h5"):
        check_matches_output(tmp_path / "m.txt")
