from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.localization.aachen import PAIRS, read_aachen, read_pairs
from hndesc.datasets.localization.scene import Pose
from hndesc.errors import HndescError
from hndesc.io.images import write_image
from hndesc.localization.pairs import count_shared, list_pairs, pair_database, rank_by_pose
from tests.fixtures.synthetic import Synthetic

TRACKS = [["a", "b"], ["a", "b", "b"], ["b", "c", "stranger"], ["a", "b", "c"], ["stranger", "a"], []]


def facing(x: float, degrees: float = 0.0) -> Pose:
    """Return the pose of a camera at x on a line, turned about the vertical."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rotation = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
    return Pose(rotation, -rotation @ [x, 0.0, 0.0])


def test_shared_points_are_counted_once_an_image() -> None:
    shared = count_shared(["a", "b", "c", "d"], TRACKS)
    assert (shared.toarray() == [[0, 3, 1, 0], [3, 0, 2, 0], [1, 2, 0, 0], [0, 0, 0, 0]]).all()
    assert count_shared(["a", "b"], []).nnz == 0


def test_pairs_of_most_shared_points_each_once(exact: Synthetic) -> None:
    scene = read_aachen(exact.root)
    names = list(scene.database)[:4]
    scene = replace(scene, database={name: scene.database[name] for name in names})
    tracks = [[names["abcd".index(one)] for one in track if one != "stranger"] for track in TRACKS]
    a, b, c, _ = names
    # The fourth shares no point and is in no pair; a and c have b first.
    assert pair_database(scene, tracks, 1) == [(a, b), (c, b)]
    assert pair_database(scene, tracks, 5) == [(a, b), (a, c), (b, c)]


def test_ranking_by_pose_takes_the_nearest_that_look_the_same_way() -> None:
    names = ["a", "b", "c", "turned", "d"]
    poses = [facing(0), facing(3), facing(1, 50), facing(0.5, 70), facing(4, -30)]
    ranking = rank_by_pose(poses, names)
    assert [names[i] for i in ranking["a"]] == ["c", "b", "d", "turned"]
    assert [names[i] for i in ranking["turned"]] == ["c", "a", "b", "d"]


def test_lists_are_taken_as_they_are(exact: Synthetic, tmp_path: Path) -> None:
    (tmp_path / "db.txt").write_text("db/0.jpg db/1.jpg\ndb/1.jpg db/0.jpg\ndb/1.jpg nobody.jpg\n")
    (tmp_path / "query.txt").write_text("".join(f"{query} db/0.jpg\n" for query in exact.queries))
    lists = [tmp_path / "db.txt", tmp_path / "query.txt"]
    list_pairs(exact.root, tmp_path / "pairs.txt", lists=lists)
    assert (tmp_path / "pairs.txt").read_text() == "".join(path.read_text() for path in lists)
    list_pairs(exact.root, tmp_path / "pairs.txt")
    assert list(read_pairs(tmp_path / "pairs.txt")) == list(read_pairs(exact.root / PAIRS))


def test_queries_that_no_list_names_are_paired(make, tmp_path: Path) -> None:
    root = make().root
    lines = (root / PAIRS).read_text().splitlines(True)
    listed = [line for line in lines if "query/day" not in line]
    (root / PAIRS).write_text("".join(listed))
    add_photos(root)
    list_pairs(root, tmp_path / "pairs.txt", retrieved=2, descriptor="color_gradient")
    text = (tmp_path / "pairs.txt").read_text()
    assert text.startswith("".join(listed))
    added = [line.split()[0] for line in text.splitlines()[len(listed) :]]
    assert Counter(added) == {f"query/day/cam/d{i}.jpg": 2 for i in range(4)}


def add_photos(root: Path, missing: frozenset[str] = frozenset()) -> None:
    """Give the scene photos: those with the same number are alike."""
    for name in read_aachen(root).cameras().keys() - missing:
        number = int(Path(name).stem.lstrip("dn"))
        shade = np.random.default_rng(number).integers(0, 255, (8, 8, 3)).astype(np.uint8)
        photo = np.kron(shade, np.ones((8, 8, 1), np.uint8))
        write_image(root / "images" / "images_upright" / name, photo)


def test_queries_are_paired_with_the_photos_most_alike(make, tmp_path: Path) -> None:
    root = make().root
    (root / PAIRS).unlink()
    add_photos(root)
    list_pairs(root, tmp_path / "pairs.txt", retrieved=3, covisible=2, descriptor="color_gradient")
    pairs = list(read_pairs(tmp_path / "pairs.txt"))
    best: dict[str, str] = {}
    for first, second in pairs:
        if first.startswith("query/"):
            best.setdefault(first, second)
    assert len(best) == 7 and all(query[-5:] == database[-5:] for query, database in best.items())
    assert set(Counter(first for first, _ in pairs if first in best).values()) == {3}
    assert all(second.startswith("db/") for _, second in pairs)
    scene = read_aachen(root, tmp_path / "pairs.txt")
    assert scene.problems == {} and scene.retrieved()["query/night/cam/n2.jpg"][0] == "db/2.jpg"


def test_missing_and_broken_photos_are_in_no_query_pair(make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = make().root
    (root / PAIRS).unlink()
    add_photos(root, frozenset({"db/1.jpg", "query/day/cam/d0.jpg"}))
    (root / "images" / "images_upright" / "db/2.jpg").write_bytes(b"broken")
    (root / "images" / "images_upright" / "query/day/cam/d1.jpg").write_bytes(b"broken")
    list_pairs(root, tmp_path / "pairs.txt", retrieved=100, descriptor="color_gradient")
    pairs = [pair for pair in read_pairs(tmp_path / "pairs.txt") if pair[0].startswith("query/")]
    assert len(pairs) == 5 * 6 and not {"db/1.jpg", "db/2.jpg"} & {second for _, second in pairs}
    assert "2 listed images are missing, 'db/1.jpg' first" in caplog.text and "skipped" in caplog.text
    assert "db/2.jpg: not an image" in caplog.text


def test_queries_without_any_photo_are_in_no_pair(make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene = make()
    (scene.root / PAIRS).unlink()
    add_photos(scene.root, frozenset(scene.queries))
    list_pairs(scene.root, tmp_path / "pairs.txt", covisible=100, descriptor="color_gradient")
    assert len(list(read_pairs(tmp_path / "pairs.txt"))) == 8 * 7 / 2
    assert "7 listed images are missing, 'query/day/cam/d0.jpg' first" in caplog.text


def test_no_photo_at_all_is_an_error(make, tmp_path: Path) -> None:
    root = make().root
    (root / PAIRS).unlink()
    with pytest.raises(HndescError, match="no folder images/images_upright"):
        list_pairs(root, tmp_path / "pairs.txt")
    write_image(root / "images" / "images_upright" / "other.jpg", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(HndescError, match="scene: no file of any database image"):
        list_pairs(root, tmp_path / "pairs.txt")


@pytest.mark.parametrize("counts", [{"covisible": 0}, {"retrieved": -1}])
def test_no_pair_at_all_is_refused(tmp_path: Path, counts: dict[str, int]) -> None:
    with pytest.raises(HndescError, match="pairs per image cannot be made; give numbers of at least 1"):
        list_pairs(tmp_path, tmp_path / "pairs.txt", **counts)
