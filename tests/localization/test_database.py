from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.localization.aachen import PAIRS, known_pairs, read_aachen
from hndesc.datasets.localization.cameras import Intrinsics
from hndesc.datasets.localization.image_ids import read_ids
from hndesc.datasets.localization.pycolmap_border import opened
from hndesc.datasets.localization.scene import Pose, Scene
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features
from hndesc.localization.database import assign_ids, write_database
from hndesc.localization.mapping import DATABASE
from hndesc.localization.matches import MatchReader
from tests.fixtures.synthetic import Mapped, Synthetic, write_features


def test_ids_are_those_of_the_datasets_own_database(exact: Synthetic) -> None:
    ids = assign_ids(read_aachen(exact.root))
    assert ids["db/0.jpg"] == (100, 50) and ids["db/7.jpg"] == (114, 53)
    # It does not know the queries: new ids above.
    assert ids["query/day/cam/d0.jpg"] == (115, 54) and ids["query/night/cam/n2.jpg"] == (121, 60)


def test_images_with_other_intrinsics_do_not_share_a_camera(exact: Synthetic) -> None:
    scene = read_aachen(exact.root)
    other = Intrinsics("PINHOLE", 640, 480, (500.0, 500.0, 320.0, 240.0))
    ids = assign_ids(replace(scene, database=dict(scene.database) | {"db/1.jpg": other}))
    assert ids["db/0.jpg"] == (100, 50) and ids["db/1.jpg"] == (102, 54)
    assert len({camera for _, camera in ids.values()}) == 4 + 1 + 7


def test_ids_without_a_database(exact: Synthetic) -> None:
    ids = assign_ids(replace(read_aachen(exact.root), ids={}))
    assert list(ids.values()) == [(i, i) for i in range(1, 16)]


def test_database_holds_rigs_frames_keypoints_and_matches(mapped: Mapped) -> None:
    with opened(mapped.folder / DATABASE) as database, FeatureReader(mapped.scene.features) as features:
        assert database.num_images() == database.num_frames() == 15
        assert database.num_cameras() == database.num_rigs() == 11
        image = database.read_image_with_name("db/3.jpg")
        assert (image.image_id, image.camera_id, image.frame_id) == (106, 51, 106)
        keypoints = database.read_keypoints(106)
        assert np.array_equal(keypoints, features.read("db/3.jpg").keypoints + np.float32(0.5))
        # Stored for the lower id first, whichever order the list has.
        query = database.read_image_with_name("query/day/cam/d0.jpg").image_id
        rows = database.read_matches(query, 106)
        seen = mapped.scene.seen
        assert (seen["query/day/cam/d0.jpg"][rows[:, 0]] == seen["db/3.jpg"][rows[:, 1]]).all() and len(rows) == 200
        assert database.num_verified_image_pairs() == 63


def test_resized_photos_are_scaled_to_their_cameras_and_counted(mapped: Mapped, tmp_path: Path) -> None:
    with FeatureReader(mapped.scene.features) as reader:
        entries = {name: reader.read(name) for name in reader.names()}
    small = entries["db/2.jpg"]
    halved = ((small.keypoints + 0.5) / 2 - 0.5).astype(np.float32)
    entries["db/2.jpg"] = replace(small, image_size=(320, 240), keypoints=halved)
    write_features(tmp_path / "features.h5", entries)
    scene = read_aachen(mapped.scene.root)
    ids = assign_ids(scene)
    with FeatureReader(tmp_path / "features.h5") as features, MatchReader(mapped.matches) as matches:
        counts = write_database(tmp_path / "a.db", scene, ids, features, matches)
    assert counts["images_of_other_size"] == 1
    assert counts["keypoints"] == 15 * 200 and counts["listed_pairs"] == counts["matched_pairs"] == 63
    with opened(tmp_path / "a.db") as database:
        assert np.allclose(database.read_keypoints(ids["db/2.jpg"][0]), small.keypoints + 0.5, atol=1e-3)


def test_features_of_another_dataset_are_an_error(mapped: Mapped, tmp_path: Path) -> None:
    write_features(tmp_path / "features.h5", {})
    scene = read_aachen(mapped.scene.root)
    with (
        FeatureReader(tmp_path / "features.h5") as features,
        MatchReader(mapped.matches) as matches,
        pytest.raises(HndescError, match=r"features.h5: has features of no image of"),
    ):
        write_database(tmp_path / "a.db", scene, assign_ids(scene), features, matches)


class Same:
    """Stands for a feature file and a match file that give the same answer for every image and pair."""

    def __contains__(self, name: str) -> bool:
        return True

    def read(self, *names: str) -> Features | np.ndarray:
        if len(names) == 2:
            return np.array([[0, 1], [1, 0]])
        return Features(np.array([[0, 0], [3, 4]], np.float32), (1600, 1063), np.ones(2, np.float32))


def test_the_real_ids_and_pairs_go_into_a_database(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "aachen"
    own = read_ids(folder / "database_v1_1.db")
    camera, pose = Intrinsics("SIMPLE_RADIAL", 1600, 1063, (1000.0, 800.0, 531.5, 0.0)), Pose(np.eye(3), np.zeros(3))
    queries = {name: camera for name in own if name.startswith("query/")}
    database = {name: camera for name in own if name not in queries}
    scene = Scene(
        root=folder,
        database=database,
        poses=dict.fromkeys(database, pose),
        queries=queries,
        conditions=dict.fromkeys(queries, "night"),
        pairs=known_pairs(folder / PAIRS, set(own), Counter()),
        ids=own,
    )
    assert assign_ids(scene) == own
    counts = write_database(tmp_path / "a.db", scene, own, Same(), Same())
    assert counts["images"] == 6888 and counts["matched_pairs"] == len(scene.pairs)
    with opened(tmp_path / "a.db") as written:
        assert written.num_images() == written.num_frames() == 6888
        assert written.num_cameras() == written.num_rigs() == len({camera for _, camera in own.values()})
        assert written.num_matched_image_pairs() == len(scene.pairs)
        # Images and cameras under the ids of the original, and matches from the lower id to the higher.
        night = written.read_image_with_name("query/night/nexus5x/IMG_20161227_172439.jpg")
        assert (night.image_id, night.camera_id) == (10000, 10000)
        assert (written.read_matches(1, own["db/14.jpg"][0]) == [[0, 1], [1, 0]]).all()
        assert (written.read_keypoints(10000) == np.array([[0.5, 0.5], [3.5, 4.5]], np.float32)).all()
