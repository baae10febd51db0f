"""COLMAP databases of features and matches, and files as hloc writes and reads them."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from hndesc.cli.main import main
from hndesc.datasets.localization.pycolmap_border import opened
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader
from hndesc.localization.matches import MatchReader, MatchWriter, match_listed
from hndesc.reconstruction.export import export_colmap
from hndesc.reconstruction.kapture_export import export_kapture
from tests.fixtures.synthetic import Synthetic, write_features

PAIRS = [("db/0.jpg", "db/1.jpg"), ("db/2.jpg", "db/1.jpg"), ("db/0.jpg", "query/day/cam/d0.jpg")]


@pytest.fixture
def files(exact: Synthetic, tmp_path: Path) -> tuple[Path, Path]:
    """Features and matches of a scene without noise."""
    match_listed(PAIRS, exact.features, tmp_path / "matches.h5", place=exact.root)
    return exact.features, tmp_path / "matches.h5"


def check_database(path: Path, features: Path, matches: Path, pairs: list[tuple[str, str]]) -> None:
    with opened(path) as database, FeatureReader(features) as reader, MatchReader(matches) as match_reader:
        ids = {image.name: image.image_id for image in database.read_all_images()}
        assert sorted(ids) == reader.names()
        for name, number in ids.items():
            keypoints = database.read_keypoints(number)[:, :2]
            assert np.allclose(keypoints, reader.read(name).keypoints + 0.5, atol=1e-4)
        for first, second in pairs:
            stored = database.read_matches(ids[first], ids[second])
            assert np.array_equal(stored, match_reader.read(first, second)) and len(stored) == 200


def test_a_database_has_everything(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "database.db"
    main(["export-colmap", *map(str, files), str(output), "--verify", "--threads", "1"])
    check_database(output, *files, PAIRS)
    assert "15 images, 3,000 keypoints" in capsys.readouterr().out
    with opened(output) as database:
        assert database.num_verified_image_pairs() == 3
        (camera,) = database.read_all_cameras()  # all images have one size
        assert (camera.width, camera.height) == (640, 480) and not camera.has_prior_focal_length
        assert camera.mean_focal_length() == 1.2 * 640
    with pytest.raises(HndescError, match="exists; move it away"):
        export_colmap(*files, output)


def test_matches_of_other_images_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with MatchWriter(tmp_path / "m.h5", {}, {}) as writer:
        writer.write(("x.jpg", "y.jpg"), np.zeros(1, np.int16), np.zeros(1, np.float16))
    for export in (export_colmap, export_kapture):
        with pytest.raises(HndescError, match=r"m\.h5: has no matches of images with features"):
            export(files[0], tmp_path / "m.h5", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("right", "verified"), [(26, 0), (60, 1)])
def test_pairs_of_few_inliers_are_not_verified(exact: Synthetic, tmp_path: Path, right: int, verified: int) -> None:
    rng = np.random.default_rng(0)
    features = {}
    with FeatureReader(exact.features) as reader:
        for name in ("db/0.jpg", "db/1.jpg"):
            found = reader.read(name)
            entry = found.take(np.argsort(exact.seen[name])[:80])  # the same points of the scene
            entry.keypoints[right:] = rng.uniform(0, 480, (80 - right, 2))
            features[name] = entry
    write_features(tmp_path / "f.h5", features)
    match_listed([("db/0.jpg", "db/1.jpg")], tmp_path / "f.h5", tmp_path / "m.h5", place=tmp_path)
    counts = export_colmap(tmp_path / "f.h5", tmp_path / "m.h5", tmp_path / "database.db", verify=True)
    assert counts["matched_pairs"] == 1 and counts["verified_pairs"] == verified


def write_as_hloc(features: Path, matches: Path, folder: Path, old: bool) -> tuple[Path, Path]:
    """Write what files of ours hold as hloc writes it: half precision, and pairs named by its new or its old way."""
    copies = folder / "feats.h5", folder / "matches-hloc.h5"
    with FeatureReader(features) as reader, h5py.File(copies[0], "w", libver="latest") as file:
        for name in reader.names():
            entry, group = reader.read(name), file.create_group(name)
            group.create_dataset("keypoints", data=entry.keypoints.astype(np.float16).astype(np.float32))
            group["keypoints"].attrs["uncertainty"] = 1.0
            group.create_dataset("descriptors", data=entry.descriptors.T.astype(np.float16))
            group.create_dataset("scores", data=entry.scores.astype(np.float16))
            group.create_dataset("image_size", data=np.array(entry.image_size))
    with MatchReader(matches) as reader, h5py.File(copies[1], "w", libver="latest") as file:
        for first, second in PAIRS:
            joint = "_" if old else "/"
            group = file.create_group(joint.join(name.replace("/", "-") for name in (first, second)))
            rows = reader.read(first, second)
            found = np.full(200, -1, np.int16)
            found[rows[:, 0]] = rows[:, 1]
            group.create_dataset("matches0", data=found)
            group.create_dataset("matching_scores0", data=np.ones(200, np.float16))
    return copies


@pytest.mark.parametrize("old", [False, True])
def test_files_of_hloc_are_read(files: tuple[Path, Path], tmp_path: Path, old: bool) -> None:
    features, matches = write_as_hloc(*files, tmp_path, old)
    export_colmap(features, matches, tmp_path / "database.db")
    check_database(tmp_path / "database.db", features, matches, PAIRS)


def test_hloc_reads_our_files(files: tuple[Path, Path]) -> None:
    """What hloc's readers do: `get_keypoints`, its loading of features for matching, `find_pair` and `get_matches`."""
    features, matches = files
    with h5py.File(features, "r") as file, FeatureReader(features) as reader:
        group = file["query/day/cam/d0.jpg"]
        assert group["keypoints"].__array__().shape == (200, 2)
        data = {key: value.__array__() for key, value in group.items()}
        assert data["descriptors"].shape == (32, 200) and data["scores"].shape == (200,)
        assert tuple(group["image_size"])[::-1] == (480, 640)
        assert all(values.dtype.kind in "fiu" for values in data.values())
        assert np.array_equal(data["keypoints"], reader.read("query/day/cam/d0.jpg").keypoints)
    with h5py.File(matches, "r") as file, MatchReader(matches) as reader:
        for first, second in PAIRS:
            group = file["/".join(name.replace("/", "-") for name in (first, second))]
            found, scores = group["matches0"].__array__(), group["matching_scores0"].__array__()
            assert found.dtype.kind == "i" and found.shape == scores.shape == (200,)
            rows = np.where(found != -1)[0]
            assert np.array_equal(np.stack([rows, found[rows]], -1), reader.read(first, second))
            assert (scores[rows] > 0.9).all()


def test_features_without_sizes_need_the_images(files: tuple[Path, Path], tmp_path: Path) -> None:
    features, matches = write_as_hloc(*files, tmp_path, old=False)
    with h5py.File(features, "r+") as file:
        for name in ("db/0.jpg", "db/1.jpg"):
            del file[name]["image_size"]
    with pytest.raises(HndescError, match=r"does not say the size of 'db/0\.jpg'; give the folder"):
        export_colmap(features, matches, tmp_path / "database.db")
