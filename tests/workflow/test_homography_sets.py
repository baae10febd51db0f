"""Homography benchmarks through the workflow: protocols, layouts, estimators."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from skimage import data

from hndesc.errors import HndescError
from hndesc.geometry.homography import translation
from hndesc.io.images import write_image
from hndesc.runtime.settings import Settings, read_settings
from hndesc.workflow.benchmarks import Benchmark

from .conftest import make_checkout

pytestmark = pytest.mark.workflow


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A photo, and windows of it: one pair of each class."""
    photo = data.astronaut()
    for name, x in (("here", 0), ("left", 40), ("right", 90)):
        write_image(tmp_path / "set" / "a" / f"{name}.png", photo[100:400, 50 + x : 400 + x])
        np.savetxt(tmp_path / "set" / f"{name}.txt", translation(-x, 0))
    lines = ("a/here.png,a/left.png,left.txt,walk,v", "a/here.png,a/right.png,right.txt,light,i")
    text = "\n".join(("image1,image2,homography,sequence,class", *lines)) + "\n"
    (tmp_path / "set" / "pairs.csv").write_text(text)
    write_image(tmp_path / "set" / "not_asked_for.png", photo)
    return tmp_path / "set"


@pytest.mark.slow
def test_own_pairs_by_the_second_protocol(pairs: Path, tmp_path: Path) -> None:
    entry = {"name": "mine", "kind": "hpatches", "dataset": str(pairs), "protocol": "480x640", "layout": "pairs"}
    entry["settings"] = {"estimator": ["magsac", "poselib"]}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"descriptors": ["sift"], "benchmarks": [entry]}))
    checkout = make_checkout(tmp_path / "hndesc")
    targets = (
        "results/mine.json",
        "results/summary.txt",
        "results/figures/mine_mma.png",
        "results/figures/mine_matches",
    )
    checkout.run(*targets, configfile=config)
    record = json.loads(checkout.path("results/mine.json").read_text())
    assert record["settings"]["protocol"] == "480x640" and record["failures"] == []
    assert {name: one["class"] for name, one in record["per_sequence"].items()} == {"light": "i", "walk": "v"}
    assert record["features"]["detector"]["max_keypoints"] == 1000
    for own in record["figures"]["estimators"].values():
        assert own["homography_accuracy"]["5"] == {"v": 1.0, "i": 1.0, "all": 1.0}
    assert record["figures"]["matching_score"]["all"] > 0.5
    summary = checkout.path("results/summary.txt").read_text()
    assert "AUC@5 px (PoseLib) all" in summary and "Matching score@3 px v" in summary
    with open(checkout.path("results/scores/mine/sift.sequences.csv"), newline="") as stream:
        assert [row["sequence"] for row in csv.DictReader(stream)] == ["light", "walk"]
    figures = sorted(path.name for path in checkout.path("results/figures/mine_matches").glob("*.jpg"))
    assert figures == ["light_here-right.jpg", "walk_here-left.jpg"]


class Entry(Settings):
    entry: Benchmark


def valid(**entry: object) -> bool:
    try:
        read_settings(Entry, {"entry": {"name": "x", "dataset": "y", **entry}})
    except HndescError:
        return False
    return True


def test_what_an_entry_may_say() -> None:
    for protocol in ("full", "480x640"):
        assert valid(kind="hpatches", protocol=protocol)
        assert not valid(kind="retrieval", protocol=protocol)
    assert not valid(kind="hpatches", protocol="240x320")
    for layout in ("hpatches", "oxford_affine", "pairs"):
        assert valid(kind="hpatches", layout=layout)
        assert not valid(kind="retrieval", layout=layout) and not valid(kind="localization", layout=layout)
    assert valid(kind="retrieval", layout="places") and not valid(kind="hpatches", layout="places")
    for estimator in ("poselib", ["ransac", "magsac", "poselib"]):
        assert valid(kind="hpatches", settings={"estimator": estimator})
    for estimator in ([], ["ransac", "ransac"], "lmeds", ["lmeds"]):
        assert not valid(kind="hpatches", settings={"estimator": estimator})
    assert valid(kind="retrieval", settings={"estimator": "poselib"})
    assert not valid(kind="retrieval", settings={"estimator": ["ransac", "poselib"]})
