"""The demo scene, in the files of Aachen v1.1, from photos to poses."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hndesc.datasets.listing import list_images
from hndesc.datasets.localization.aachen import PAIRS, read_aachen, read_pairs
from hndesc.datasets.localization.poses import read_poses
from hndesc.evaluation.localization.evaluate import localize_queries
from hndesc.extraction.description import extract
from hndesc.io.files import read_json
from hndesc.localization.mapping import build_map
from hndesc.localization.matches import match_pairs
from hndesc.localization.pairs import list_pairs
from tests.fixtures.demo import Demo

pytestmark = pytest.mark.slow

UPRIGHT = "images/images_upright"


@pytest.fixture(scope="module")
def root(demo: Demo) -> Path:
    """The demo scene; do not change its files."""
    return demo.root / "scene"


Localize = Callable[..., dict]


def prepare(root: Path, folder: Path, features: Path | None = None) -> Localize:
    """Go from photos to a map; return a function that localizes the queries and gives the record."""
    if features is None:
        features = folder / "features.h5"
        extract(list_images(root, "localization"), features, "sift", "sift", max_keypoints=400)
    pairs, matches = folder / "pairs.txt", folder / "matches.h5"
    list_pairs(root, pairs, descriptor="color_gradient", resize_max=128, covisible=8, retrieved=8)
    match_pairs(root, features, matches, pairs=pairs)
    build_map(root, features, matches, folder / "map", pairs=pairs)

    def localize(method: str) -> dict:
        outputs = folder / f"{method}.txt", folder / f"{method}.json"
        return localize_queries(root, features, matches, folder / "map", *outputs, pairs=pairs, method=method)

    return localize


@pytest.fixture(scope="module")
def localized(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict]]:
    """Both routes on the scene's own pairs."""
    folder = tmp_path_factory.mktemp("localized")
    localize = prepare(root, folder)
    return folder, {method: localize(method) for method in ("pnp", "registration")}


@pytest.mark.parametrize("method", ["pnp", "registration"])
def test_the_demo_scene_is_localized_by_both_routes(root: Path, localized, method: str) -> None:
    folder, records = localized
    record, scene = records[method], read_aachen(root)
    assert record["settings"]["method"] == method and method in record["protocol"]
    assert record["counts"]["listed_pairs"] == len(scene.pairs) and record["problems"] == {}
    assert record["figures"]["localized"]["day"] == {"queries": 8, "localized": 8}
    assert record["figures"]["day"]["recall"]["0.25/2"] == 1.0
    assert record["figures"]["day"]["median_position_error"] < 0.02
    assert record["figures"]["map"]["points"] > 300 and record["figures"]["map"]["mean_track_length"] > 2.5
    poses = read_poses(folder / f"{method}.txt")
    assert sorted(poses) == sorted(Path(name).name for name in scene.queries) and len(poses) == 12
    assert read_json(folder / f"{method}.json")["per_query"].keys() == scene.queries.keys()


def test_routes_agree_where_both_are_right(localized) -> None:
    records = localized[1]
    for name, query in records["pnp"]["per_query"].items():
        other = records["registration"]["per_query"][name]
        if query["condition"] == "day":
            assert max(query["position_error"], other["position_error"]) < 0.1
            assert query["inliers"] > 30 and other["inliers"] > 30


def test_the_scenes_own_list_is_taken_unchanged(root: Path, localized) -> None:
    assert list(read_pairs(localized[0] / "pairs.txt")) == list(read_pairs(root / PAIRS))


def test_bad_input_is_named_and_counted_and_the_rest_is_localized(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    spoilt = tmp_path / "scene"
    shutil.copytree(root, spoilt)
    photos = spoilt / UPRIGHT
    (photos / "db/3.jpg").unlink()
    (photos / "query/day/cam/day_02.jpg").unlink()
    broken = photos / "query/day/cam/day_03.jpg"
    broken.write_bytes(broken.read_bytes()[:3000])
    night = spoilt / "queries" / "night_time_queries_with_intrinsics.txt"
    night.write_text(night.read_text().replace("SIMPLE_RADIAL", "MAGIC", 1))
    with open(spoilt / PAIRS, "a") as stream:
        stream.write("db/1.jpg db/none.jpg\n")
    localize = prepare(spoilt, tmp_path)
    record = localize("pnp")
    failures = {failure["name"]: failure["reason"] for failure in record["failures"]}
    assert failures["query/day/cam/day_02.jpg"] == "no features (not in the feature file)"
    assert failures["query/day/cam/day_03.jpg"].startswith("no features (") and "day_03" in caplog.text
    assert failures["query/night/cam/night_01.jpg"] == "unknown camera model"
    assert record["problems"]["images in pairs that no other file names"] == 1
    assert record["problems"]["queries of unknown camera model"] == 1
    assert record["counts"]["images_without_features"] == 3
    assert "no features of 'db/3.jpg'" in caplog.text and "db/none.jpg" in caplog.text
    assert record["figures"]["localized"]["day"] == {"queries": 8, "localized": 6}
    assert len(read_poses(tmp_path / "pnp.txt")) == 12
    assert localize("registration")["figures"]["localized"] == record["figures"]["localized"]


def test_without_a_list_pairs_are_made(root: Path, localized, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Database by pose (the demo's NVM has no points), queries by a global descriptor; a broken photo is in no pair."""
    spoilt = tmp_path / "scene"
    shutil.copytree(root, spoilt)
    (spoilt / PAIRS).unlink()
    (spoilt / UPRIGHT / "db/3.jpg").write_bytes(b"no photo")
    (spoilt / UPRIGHT / "query/night/cam/night_02.jpg").unlink()
    localize = prepare(spoilt, tmp_path, localized[0] / "features.h5")
    pairs = list(read_pairs(tmp_path / "pairs.txt"))
    queries = [pair for pair in pairs if pair[0].startswith("query/")]
    assert len(queries) == 11 * 8 and all(other.startswith("db/") for _, other in queries)
    assert not any("db/3.jpg" in pair for pair in queries)
    assert not any("query/night/cam/night_02.jpg" in pair for pair in pairs)
    assert "1 listed images are missing, 'query/night/cam/night_02.jpg' first" in caplog.text
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert not list(tmp_path.glob("pairs.txt.*"))
    record = localize("pnp")
    assert record["figures"]["day"]["recall"]["0.25/2"] == 1.0
    assert record["failures"][-1]["name"] and record["per_query"]["query/night/cam/night_02.jpg"]["reason"]
