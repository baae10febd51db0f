from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.localization.colmap import find_model, read_model, read_model_tracks
from hndesc.datasets.localization.pycolmap_border import pycolmap
from hndesc.datasets.localization.readers import find_layout, read_scene
from hndesc.errors import HndescError
from hndesc.io.images import write_image
from hndesc.localization.mapping import MODEL
from hndesc.localization.pairs import count_shared, list_pairs
from tests.fixtures.synthetic import Mapped, Synthetic, map_scene


@pytest.fixture(params=["binary", "text"])
def root(request: pytest.FixtureRequest, mapped: Mapped, tmp_path: Path) -> Path:
    """The map of the synthetic scene as a dataset of its own."""
    folder = tmp_path / "scene" / "sparse" / "0"
    folder.mkdir(parents=True)
    model = pycolmap.Reconstruction(mapped.folder / MODEL)
    model.write_binary(folder) if request.param == "binary" else model.write_text(folder)
    return tmp_path / "scene"


def test_photos_of_a_model_are_held_out(root: Path, mapped: Mapped) -> None:
    (root / "pairs.txt").write_text("db/0.jpg db/1.jpg\n")
    scene = read_scene(root)
    assert list(scene.queries) == ["db/2.jpg", "db/5.jpg"] == list(scene.truth)
    assert list(scene.database) == [f"db/{i}.jpg" for i in (0, 1, 3, 4, 6, 7)] == list(scene.poses)
    for name, pose in (scene.poses | scene.truth).items():
        assert np.allclose(pose.rotation, mapped.scene.poses[name].rotation, atol=1e-12)
        assert np.allclose(pose.translation, mapped.scene.poses[name].translation, atol=1e-12)
    camera = scene.queries["db/2.jpg"]
    assert (camera.model, camera.width, camera.height) == ("SIMPLE_RADIAL", 640, 480)
    assert camera.params == (500.0, 320.0, 240.0, 0.0)
    assert scene.pairs == [("db/0.jpg", "db/1.jpg")] and scene.problems == {}


def test_queries_come_from_lists_where_there_are_any(root: Path, exact: Synthetic) -> None:
    (root / "queries").mkdir()
    for name in ("day_time_queries_with_intrinsics.txt", "night_time_queries_with_intrinsics.txt", "ground_truth.txt"):
        (root / "queries" / name).write_text((exact.root / "queries" / name).read_text())
    scene = read_model(root)
    assert list(scene.queries) == exact.queries == list(scene.truth)
    assert Counter(scene.conditions.values()) == {"day": 4, "night": 3}
    assert list(scene.database) == [f"db/{i}.jpg" for i in range(8)]


def test_tracks_say_who_sees_a_point(root: Path) -> None:
    tracks = list(read_model_tracks(root))
    assert len(tracks) == 200 and all(sorted(track) == [f"db/{i}.jpg" for i in range(8)] for track in tracks)
    shared = count_shared(["db/3.jpg", "db/4.jpg"], find_layout(root).tracks(root))
    assert (shared.toarray() == [[0, 200], [200, 0]]).all()


def test_queries_of_a_model_are_localized_in_it(root: Path, exact: Synthetic, tmp_path: Path) -> None:
    for i in range(8):
        write_image(root / "images" / f"db/{i}.jpg", np.full((32, 32, 3), 30 * i, np.uint8))
    list_pairs(root, tmp_path / "pairs.txt", descriptor="color_gradient", covisible=3, retrieved=4)
    (root / "pairs.txt").write_text((tmp_path / "pairs.txt").read_text())
    scene = Synthetic(root, exact.features, exact.poses, exact.points, exact.seen)
    record = map_scene(scene, tmp_path).localize(tmp_path)
    assert record["figures"]["localized"] == {"held-out": {"queries": 2, "localized": 2}}
    assert all(query["position_error"] < 2e-6 for query in record["per_query"].values())


def test_a_broken_model_is_named(root: Path) -> None:
    folder = find_model(root)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(HndescError, match=r"sparse/0/cameras.(bin: truncated|txt:4: expected .id MODEL)"):
        read_model(root)


@pytest.mark.parametrize("place", [".", "sparse", "model"])
def test_where_a_model_may_lie(mapped: Mapped, tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    pycolmap.Reconstruction(mapped.folder / MODEL).write_binary(tmp_path / place)
    assert find_model(tmp_path) == tmp_path / place
    (tmp_path / place / "points3D.bin").unlink()
    assert find_model(tmp_path) is None
