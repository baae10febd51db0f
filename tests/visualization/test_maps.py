"""Figures of a localization: which there are, and what they say is right or wrong."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.axes
import matplotlib.figure
import numpy as np
import pytest

from hndesc.datasets.localization.pycolmap_border import to_camera
from hndesc.datasets.localization.readers import read_scene
from hndesc.datasets.localization.scene import Intrinsics, Pose
from hndesc.errors import HndescError
from hndesc.io.images import read_image, write_image
from hndesc.visualization import maps
from hndesc.visualization.maps import brighten, plot_errors, plot_localization, plot_model
from hndesc.visualization.match_figures import Correspondences
from tests.fixtures.synthetic import FOCAL, HEIGHT, WIDTH, Mapped, look_at, make_scene, map_scene

CAMERA = to_camera(Intrinsics("SIMPLE_RADIAL", WIDTH, HEIGHT, (FOCAL, WIDTH / 2, HEIGHT / 2, 0.0)))


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    """The synthetic scene with gray photos and its map."""
    scene = make_scene(tmp_path_factory.mktemp("scene") / "scene")
    for name in scene.poses:
        write_image(scene.root / "images" / name, np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
    return map_scene(scene, tmp_path_factory.mktemp("map"))


def plot(mapped: Mapped, folder: Path, change=lambda record: None, labels=("one",)) -> Path:
    mapped.localize(folder)
    record = json.loads((folder / "poses.json").read_text())
    change(record)
    (folder / "poses.json").write_text(json.dumps(record))
    paths = mapped.scene.root, mapped.scene.features, mapped.matches, mapped.folder
    plot_localization(*paths, [folder / "poses.json"] * len(labels), folder / "pictures", labels)
    return folder / "pictures"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Correspondences]:
    """What is drawn of each pair, by the heading, instead of drawing it."""
    found: dict[str, Correspondences] = {}

    def keep(images, matches, output, heading, titles) -> None:
        found[heading] = matches[0]
        assert len(titles) == 1 and str(int(matches[0].correct.sum())) in titles[0]

    monkeypatch.setattr(maps, "draw_classified_matches", keep)
    return found


def test_model_errors_and_two_queries_of_each_condition(mapped: Mapped, tmp_path: Path) -> None:
    folder = plot(mapped, tmp_path, labels=("one", "two"))
    figures = sorted(path.name for path in folder.glob("[!.]*"))
    assert figures[:2] == ["errors.jpg", "model.jpg"]
    assert [name.split("_")[1] for name in figures[2:]] == ["day", "day", "night", "night"]
    for path in folder.glob("[!.]*"):
        assert read_image(path).std() > 5


def test_matches_of_exact_poses_are_all_right_and_of_others_wrong(mapped: Mapped, drawn, tmp_path: Path) -> None:
    plot(mapped, tmp_path)
    assert len(drawn) == 4 and all(len(m.correct) == 200 and m.correct.all() for m in drawn.values())
    drawn.clear()

    def move(record: dict) -> None:
        for query in record["per_query"].values():
            query["pose"][4] += 0.5  # 8 units away: about 30 pixels

    plot(mapped, tmp_path / "moved", move)
    assert len(drawn) == 4 and not any(m.correct.any() for m in drawn.values())


def test_queries_that_were_not_localized_have_no_image(mapped: Mapped, drawn, tmp_path: Path) -> None:
    def lose(record: dict) -> None:
        for name, query in record["per_query"].items():
            query["pose_of"] = "db/0.jpg" if "night" in name or "d0" in name else None

    plot(mapped, tmp_path, lose)
    assert len(drawn) == 2 and all("day" in heading and "d0" not in heading for heading in drawn)


def test_without_truth_there_are_no_errors(mapped: Mapped, drawn, tmp_path: Path) -> None:
    truth = mapped.scene.root / "queries" / "ground_truth.txt"
    text = truth.read_text()
    truth.unlink()
    try:
        assert [path.name for path in plot(mapped, tmp_path).glob("[!.]*")] == ["model.jpg"]
    finally:
        truth.write_text(text)
    (tmp_path / "none.json").write_text('{"kind": "localization", "per_query": {"a": {}}}')
    with pytest.raises(HndescError, match="no query in the results has a ground truth pose"):
        plot_errors([tmp_path / "none.json"], tmp_path / "errors.png", ["one"])


def test_recall_curves_have_the_share_of_queries_within_each_error(tmp_path: Path, monkeypatch) -> None:
    steps = []
    step = matplotlib.axes.Axes.step
    monkeypatch.setattr(
        matplotlib.axes.Axes, "step", lambda axes, x, y, **k: steps.append((x, y)) or step(axes, x, y, **k)
    )
    queries = {str(error): {"position_error": error, "rotation_error": 10 * error} for error in (0.4, 0.1, 2.0, 0.2)}
    (tmp_path / "r.json").write_text(json.dumps({"kind": "localization", "features": {}, "per_query": queries}))
    plot_errors([tmp_path / "r.json"], tmp_path / "errors.png", ["one"])
    (x, shares), (degrees, _) = steps
    assert np.allclose(x[1:-1], [0.1, 0.2, 0.4, 2.0]) and np.allclose(shares, [0, 0.25, 0.5, 0.75, 1, 1])
    assert np.allclose(degrees[1:-1], [1, 2, 4, 20])


@pytest.mark.parametrize("errors", [(0.0045, 0.08), (0.3, 0.9), (0.01, 0.01), (1e-3, 30.0)])
def test_labels_of_errors_do_not_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: tuple[float, float]
) -> None:
    overlaps = []
    save = matplotlib.figure.Figure.savefig

    def look(drawing: matplotlib.figure.Figure, *arguments: Any, **options: Any) -> None:
        save(drawing, *arguments, **options)
        for axes in drawing.axes:
            boxes = [tick.get_window_extent() for tick in axes.get_xticklabels(which="both") if tick.get_text()]
            boxes = sorted((box for box in boxes if box.width), key=lambda box: box.x0)
            assert len(boxes) >= 2
            overlaps.extend(first.x1 > second.x0 for first, second in pairwise(boxes))

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", look)
    queries = {str(error): {"position_error": error, "rotation_error": error} for error in errors}
    (tmp_path / "r.json").write_text(json.dumps({"kind": "localization", "features": {}, "per_query": queries}))
    plot_errors([tmp_path / "r.json"], tmp_path / "errors.png", ["one"])
    assert overlaps and not any(overlaps)


def test_dark_images_are_brightened_and_others_kept() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert brighten(ramp)[0] is ramp and not brighten(ramp)[1]
    shown, dark = brighten(ramp // 8)
    assert dark and abs(int(np.median(shown)) - 110) < 8 and (np.diff(shown[0, :, 0].astype(int)) >= 0).all()
    assert brighten(np.zeros((2, 2, 3), np.uint8))[0].max() == 0


def test_a_scene_without_points_or_poses_still_has_its_image(mapped: Mapped, tmp_path: Path) -> None:
    record = mapped.localize(tmp_path)
    for query in record["per_query"].values():
        query["pose_of"] = "db/0.jpg"
    plot_model(read_scene(mapped.scene.root), record["per_query"], np.array([]), tmp_path / "model.png")
    assert read_image(tmp_path / "model.png").std() > 5


def test_a_pose_that_is_far_off_does_not_change_the_frame(mapped: Mapped, monkeypatch, tmp_path: Path) -> None:
    record = mapped.localize(tmp_path)
    frames = []
    limit = maps.limit_axes

    def keep(axes, *arguments) -> None:
        limit(axes, *arguments)
        frames.append((axes.get_xlim(), axes.get_ylim()))

    monkeypatch.setattr(maps, "limit_axes", keep)
    for shift in (0.0, 1e4):
        next(iter(record["per_query"].values()))["pose"][4] += shift
        plot_model(read_scene(mapped.scene.root), record["per_query"], mapped.scene.points, tmp_path / "model.png")
    assert frames[0] == frames[1] and np.ptp(frames[0]) < 40


def test_above_is_where_the_tops_of_the_photos_point() -> None:
    poses = [Pose(np.eye(3), np.zeros(3)), look_at(np.array([1.0, 0, 0]), np.array([1.0, 0, 5]), 0)]
    # Cameras that look along z with y downwards: right is x, ahead is up in the picture.
    assert np.allclose(maps.level_axes(poses)[:2], [[1, 0, 0], [0, 0, 1]])


def test_reprojection_errors_are_in_pixels_and_infinite_behind_the_camera() -> None:
    points = np.array([[0.0, 0, 5], [1, 0, 5], [0, 0, -5]])
    keypoints = np.array([[WIDTH / 2, HEIGHT / 2], [WIDTH / 2 + 103, HEIGHT / 2 + 4], [0, 0]])  # COLMAP's convention
    errors = maps._errors(CAMERA, Pose(np.eye(3), np.zeros(3)), points, keypoints)
    assert np.allclose(errors, [0, 5, np.inf])
