from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.localization.aachen import (
    PAIRS,
    known_pairs,
    read_aachen,
    read_ids,
    read_intrinsics,
    read_nvm,
    read_pairs,
    read_tracks,
)
from hndesc.errors import HndescError
from tests.fixtures.synthetic import Synthetic

INTRINSICS = "3D-models/aachen_v_1_1/database_intrinsics_v1_1.txt"
NVM = "3D-models/aachen_v_1_1/aachen_v_1_1.nvm"
DAY = "queries/day_time_queries_with_intrinsics.txt"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_everything_is_read_back(exact: Synthetic) -> None:
    scene = read_aachen(exact.root)
    assert list(scene.database) == [f"db/{i}.jpg" for i in range(8)]
    assert list(scene.queries) == exact.queries
    assert Counter(scene.conditions.values()) == {"day": 4, "night": 3}
    camera = scene.queries["query/day/cam/d0.jpg"]
    assert (camera.model, camera.width, camera.height) == ("SIMPLE_RADIAL", 640, 480)
    assert camera.params == (500.0, 320.0, 240.0, 0.0)
    for name, pose in (scene.poses | scene.truth).items():
        assert np.allclose(pose.rotation, exact.poses[name].rotation, atol=1e-12)
        assert np.allclose(pose.translation, exact.poses[name].translation, atol=1e-12)
    assert scene.truth.keys() == scene.queries.keys()
    assert len(scene.pairs) == 28 + 7 * 5
    assert scene.retrieved()["query/night/cam/n1.jpg"] == [f"db/{i}.jpg" for i in (7, 6, 5, 4, 3)]
    assert scene.ids["db/3.jpg"] == (106, 51)
    assert scene.problems == {}


def test_database_truth_and_pairs_are_optional(make) -> None:
    root = make().root
    (root / "database_v1_1.db").unlink()
    (root / "queries" / "ground_truth.txt").unlink()
    (root / PAIRS).unlink()
    scene = read_aachen(root)
    assert scene.ids == {} and scene.truth == {} and scene.pairs == []


def test_files_may_lie_in_3d_models_itself(make) -> None:
    root = make().root
    for name in (INTRINSICS, NVM):
        (root / name).rename(root / "3D-models" / Path(name).name)
    assert len(read_aachen(root).poses) == 8


@pytest.mark.parametrize("name", [INTRINSICS, NVM, DAY])
def test_a_missing_file_is_named(make, name: str) -> None:
    root = make().root
    (root / name).unlink()
    if name == DAY:
        assert set(read_aachen(root).conditions.values()) == {"night"}
        (root / DAY.replace("day", "night")).unlink()
        name = "queries"
    with pytest.raises(HndescError, match=name):
        read_aachen(root)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            INTRINSICS,
            "db/1.jpg SIMPLE_RADIAL 640 480 500.0 320.0 240.0 0.0",
            "db/1.jpg SIMPLE_RADIAL",
            ":2: .* 2 fields",
        ),
        (INTRINSICS, "db/1.jpg SIMPLE_RADIAL 640", "db/1.jpg SIMPLE_RADIAL wide", ":2: 'wide' is not a number"),
        (INTRINSICS, "db/1.jpg SIMPLE_RADIAL 640", "db/1.jpg SIMPLE_RADIAL nan", ":2: a number is not finite"),
        (INTRINSICS, "db/1.jpg SIMPLE_RADIAL", "db/1.jpg PINHOLE 640", ":2: PINHOLE has 4 parameters, not 5"),
        (INTRINSICS, "db/1.jpg", "db/0.jpg", ":2: 'db/0.jpg' is listed twice"),
        (NVM, "NVM_V3", "NVM", ":1: an NVM file starts with NVM_V3"),
        (NVM, "\n8\n", "\nmany\n", ":3: number of cameras: 'many' is not a whole number"),
        (NVM, "\n8\n", "\n9\n", ":13: camera 9 of 9: expected 'name f .*', found 1 fields"),
        (NVM, "db/1.jpg 500.0 ", "db/1.jpg ", ":5: camera 2 of 8: expected 'name f .*', found 10 fields"),
        (PAIRS, "db/0.jpg db/2.jpg", "db/0.jpg", ":2: expected two image names, found 1 fields"),
        ("queries/ground_truth.txt", "query/day/cam/d0.jpg", "", ":1: expected .* found 7 fields"),
        (DAY, "query/day/cam/d1.jpg", "db/3.jpg", "'db/3.jpg' is both a database image and a query"),
        (DAY, "query/day/cam/d1.jpg", "query/night/cam/n0.jpg", "'query/night/cam/n0.jpg' is in another list, too"),
    ],
)
def test_a_malformed_line_is_named(make, name: str, old: str, new: str, message: str) -> None:
    root = make().root
    edit(root / name, old, new)
    with pytest.raises(HndescError, match=message):
        read_aachen(root)


def test_a_zero_quaternion_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nvm").write_text("NVM_V3\n\n1\na.jpg 500 0 0 0 0 1 2 3 0 0\n")
    with pytest.raises(HndescError, match=r"a.nvm:4: a quaternion of length 0"):
        read_nvm(tmp_path / "a.nvm")


def test_nvm_holds_centers_and_may_have_tabs_and_points(tmp_path: Path) -> None:
    text = "NVM_V3 \r\n\r\n1\r\ndb/a.jpg\t500 0.5 0.5 0.5 0.5 1 2 3 -0.1 0\r\n\r\n1\r\n0 0 0 255 255 255 0\r\n"
    (tmp_path / "a.nvm").write_text(text)
    pose = read_nvm(tmp_path / "a.nvm")["db/a.jpg"]
    assert np.allclose(pose.rotation @ [1, 2, 3] + pose.translation, 0)
    assert np.allclose(pose.rotation, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])


def with_points(root: Path, *points: str) -> None:
    """Give the scene's NVM file points, each `x y z r g b observations…`."""
    edit(root / NVM, "\n0\n0\n", "\n" + "\n".join([str(len(points)), *points, "0"]) + "\n")


def test_tracks_of_an_nvm(make) -> None:
    root = make().root
    with_points(root, "1 2 3 255 0 0 2 0 17 10.5 20 7 3 -1 2", "1.5 2 3 0 0 0 3 5 1 0 0 6 1 0 0 5 2 0 0")
    assert list(read_tracks(root)) == [["db/0.jpg", "db/7.jpg"], ["db/5.jpg", "db/6.jpg", "db/5.jpg"]]
    assert len(read_aachen(root).poses) == 8


def test_an_nvm_without_points_has_no_tracks(exact: Synthetic) -> None:
    assert list(read_tracks(exact.root)) == []


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("1 2 3 0 0 0 2 0 17 10.5 20", ":14: expected a point with its observations"),
        ("1 2 3 0 0 0", ":14: expected a point"),
        ("1 2 3 0 0 0 1 0 17 10.5", ":14: expected a point"),
        ("1 2 3 0 0 0 1 8 17 10.5 20", ":14: a point is observed by an image that is not in the file"),
    ],
)
def test_a_malformed_point_is_named(make, point: str, message: str) -> None:
    root = make().root
    with_points(root, point)
    with pytest.raises(HndescError, match=message):
        list(read_tracks(root))


def test_points_cut_short_are_an_error(make) -> None:
    root = make().root
    with_points(root, "1 2 3 0 0 0 1 0 17 10.5 20")
    edit(root / NVM, "\n1\n1 2 3", "\n3\n1 2 3")
    with pytest.raises(HndescError, match="expected a point"):
        list(read_tracks(root))


def test_a_query_of_unknown_camera_model_stays_without_camera(make, caplog: pytest.LogCaptureFixture) -> None:
    root = make().root
    edit(root / DAY, "query/day/cam/d1.jpg SIMPLE_RADIAL", "query/day/cam/d1.jpg MAGIC")
    scene = read_aachen(root)
    assert scene.queries["query/day/cam/d1.jpg"] is None and len(scene.queries) == 7
    assert scene.problems == {"queries of unknown camera model": 1}
    assert "query/day/cam/d1.jpg" in caplog.text and DAY in caplog.text


def test_images_that_the_nvm_or_the_list_does_not_know_are_counted(make, caplog: pytest.LogCaptureFixture) -> None:
    root = make().root
    edit(root / NVM, "db/1.jpg", "db/other.jpg")
    edit(root / INTRINSICS, "db/2.jpg SIMPLE_RADIAL", "db/2.jpg MAGIC")
    scene = read_aachen(root)
    assert scene.database.keys() == scene.poses.keys() == {f"db/{i}.jpg" for i in (0, 3, 4, 5, 6, 7)}
    assert scene.problems["database images without pose"] == 1
    assert scene.problems["poses without camera"] == 1
    assert scene.problems["database images of unknown camera model"] == 1
    assert "db/other.jpg" in caplog.text
    # Pairs with the two are left out: 7 + 6 between database images, none of a query's five for 1 and 2.
    assert scene.problems["pairs left out"] == 13


def test_an_nvm_of_another_dataset_is_an_error(make) -> None:
    root = make().root
    (root / NVM).write_text((root / NVM).read_text().replace("db/", "mapping/"))
    with pytest.raises(HndescError, match=r"contains no image with a camera.*'mapping/0.jpg' there, 'db/0.jpg' here"):
        read_aachen(root)


def test_pairs_are_taken_once_and_strangers_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = ["# comment", "b a", "", "a b", "a c", "a b", "c c", "x a", "y x"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    problems: Counter[str] = Counter()
    assert known_pairs(tmp_path / "pairs.txt", {"a", "b", "c"}, problems) == [("b", "a"), ("a", "c")]
    assert problems == {"repeated pairs": 2, "pairs left out": 3, "images in pairs that no other file names": 2}
    assert "x, y" in caplog.text


def test_a_pair_list_of_another_dataset_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("x y\n")
    with pytest.raises(HndescError, match=r"pairs.txt: it contains no pair of known images"):
        known_pairs(tmp_path / "pairs.txt", {"a", "b"}, Counter())


def test_a_file_that_is_no_text_or_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(HndescError, match=r"a.bin: not a text file"):
        read_intrinsics(tmp_path / "a.bin")
    with pytest.raises(HndescError, match=r"a.bin: not a COLMAP database"):
        read_ids(tmp_path / "a.bin")


def test_ids_of_the_real_database(shared: Path) -> None:
    ids = read_ids(shared / "data" / "aachen" / "database_v1_1.db")
    assert len(ids) == 6888 and len({image for image, _ in ids.values()}) == 6888
    assert ids["db/1.jpg"] == (1, 1) and ids["db/10.jpg"] == (2, 2)
    assert ids["query/night/nexus5x/IMG_20161227_172439.jpg"] == (10000, 10000)
    assert Counter(name.partition("/")[0] for name in ids) == {"db": 4328, "query": 191, "sequences": 2369}


def test_pairs_of_the_real_list_are_all_of_the_real_database(shared: Path) -> None:
    folder = shared / "data" / "aachen"
    listed = list(read_pairs(folder / PAIRS))
    assert len(listed) == 60424 and listed[0] == ("db/1.jpg", "db/14.jpg")
    problems: Counter[str] = Counter()
    pairs = known_pairs(folder / PAIRS, set(read_ids(folder / "database_v1_1.db")), problems)
    assert len(pairs) + problems["repeated pairs"] == 60424
    assert problems["pairs left out"] == 0


def test_a_truth_of_other_queries_is_refused_and_gaps_are_named(make, caplog: pytest.LogCaptureFixture) -> None:
    root = make().root
    path = root / "queries" / "ground_truth.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("stranger.jpg 1 0 0 0 0 0 0\n" + lines[0])
    assert len(read_aachen(root).truth) == 2
    assert "1 pose of no query: stranger.jpg" in caplog.text and "without a true pose, not scored" in caplog.text
    path.write_text("stranger.jpg 1 0 0 0 0 0 0\n")
    with pytest.raises(HndescError, match=r"ground_truth\.txt: contains none of the queries \('stranger.jpg' there, "):
        read_aachen(root)
