"""Entries of the config's descriptors: keypoints of their own, own classes, existing features, and mistakes."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from hndesc.datasets.listing import list_images
from hndesc.extraction.description import extract
from hndesc.io.images import write_image
from hndesc.pretrained.baselines import WEIGHTS

from .conftest import ROOT, Checkout, make_checkout

pytestmark = pytest.mark.workflow

OWN = """
import numpy as np

class Means:
    def __init__(self, radius=2):
        self.radius = radius

    def describe(self, image, features):
        rows = [image[int(y) - self.radius : int(y) + self.radius + 1, int(x) - self.radius : int(x) + self.radius + 1]
                for x, y in features.keypoints]
        values = np.array([row.astype(np.float32).ravel() + 1 for row in rows])
        return values / np.linalg.norm(values, axis=1, keepdims=True)
"""
ENTRIES = [
    "rootsift",
    {"name": "dense", "descriptor": "sift", "keypoints": {"detector": "sift", "contrast_threshold": 0.01}},
    {"name": "denser", "descriptor": "rootsift", "keypoints": {"detector": "sift", "contrast_threshold": 0.01}},
    {"name": "few", "descriptor": "sift", "keypoints": "own", "max_keypoints": 30},
    {"name": "views", "descriptor": "hndesc-lite", "views": True},
    {"name": "mine", "descriptor": "own_descriptor:Means", "settings": {"radius": 3}},
    {"name": "theirs", "features": "features/{benchmark}.h5"},
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with one small sequence, somebody's class, and somebody's features."""
    checkout = make_checkout(tmp_path_factory.mktemp("entries") / "hndesc")
    noise = np.random.default_rng(0).integers(0, 256, (18, 24, 3), np.uint8)
    image = np.repeat(np.repeat(noise, 10, axis=0), 10, axis=1)
    folder = checkout.path("sequences/v_blobs")
    for number in range(1, 7):
        write_image(folder / f"{number}.png", np.roll(image, number - 1, axis=1))
        if number > 1:
            np.savetxt(folder / f"H_1_{number}", [[1, 0, number - 1], [0, 1, 0], [0, 0, 1]])
    checkout.path("own_descriptor.py").write_text(OWN)
    extract(list_images(checkout.path("sequences")), checkout.path("features/blobs.h5"), "sift", max_keypoints=25)
    return checkout


@pytest.fixture
def checkout(prepared: Checkout, tmp_path: Path) -> Checkout:
    """That checkout for one test alone."""
    return prepared.copy(tmp_path / "hndesc")


def overlay(path: Path, entries: list) -> Path:
    benchmarks = [{"name": "blobs", "kind": "hpatches", "dataset": "sequences"}]
    path.write_text(yaml.safe_dump({"descriptors": entries, "benchmarks": benchmarks}))
    return path


@pytest.mark.slow
def test_every_form_of_entry_is_scored(checkout: Checkout, tmp_path: Path) -> None:
    changed = overlay(tmp_path / "entries.yaml", ENTRIES)
    jobs = checkout.jobs("results/summary.txt", configfile=changed)
    assert jobs["detect_keypoints"] == 3  # shared, dense and denser, few
    assert (jobs["describe_keypoints"], jobs["import_features"]) == (6, 1)
    evaluated = ("few", "views", "mine", "theirs")
    checkout.run(*(f"results/scores/blobs/{name}.json" for name in evaluated), configfile=changed)
    scores = {name: json.loads(checkout.path(f"results/scores/blobs/{name}.json").read_text()) for name in evaluated}
    assert all(score["figures"]["mma"]["3"]["v"] > 0.5 for score in scores.values())
    features = {name: score["features"] for name, score in scores.items()}
    assert features["few"]["detector"]["max_keypoints"] == 30
    assert features["mine"]["detector"]["max_keypoints"] is None
    assert features["mine"]["descriptor"]["class"] == "own_descriptor:Means"
    assert features["views"]["views"] and "views" not in features["mine"]
    assert features["theirs"]["imported"]["file"] == "blobs.h5"
    checkout.run("results/summary.txt", configfile=overlay(tmp_path / "theirs.yaml", ENTRIES[-1:]))
    assert checkout.path("results/summary.txt").read_text().startswith("blobs (")  # and no word of the demo

    checkout.edit("own_descriptor.py", "+ 1 for", "+ 2 for")
    jobs = checkout.jobs("results/scores/blobs/mine.json", configfile=changed)
    assert (jobs["describe_keypoints"], jobs["score_hpatches"]) == (1, 1)  # an edited class is another descriptor


@pytest.mark.slow
def test_what_lies_below_a_dataset_is_a_trigger(checkout: Checkout, tmp_path: Path) -> None:
    changed = overlay(tmp_path / "sift.yaml", ["sift"])
    checkout.run("results/blobs.txt", configfile=changed)
    assert checkout.jobs("results/blobs.txt", configfile=changed) == {}
    truth = checkout.path("sequences/v_blobs/H_1_3")
    truth.write_text(truth.read_text().replace("2.000", "9.000"))
    os.utime(truth, ns=(0, 1))  # as by `cp -p` of an old file
    jobs = checkout.jobs("results/blobs.txt", configfile=changed)
    assert {"detect_keypoints", "describe_keypoints", "score_hpatches", "publish"} <= jobs.keys()
    checkout.run("results/blobs.txt", configfile=changed)
    assert checkout.jobs("results/blobs.txt", configfile=changed) == {}


@pytest.mark.slow
def test_runs_share_keypoints_and_overwrite_nothing(checkout: Checkout, tmp_path: Path) -> None:
    one, two = (overlay(tmp_path / f"{name}.yaml", ["sift"]) for name in ("one", "two"))
    for path in (one, two):
        path.write_text(path.read_text() + f"run: {path.stem}\n")
    checkout.run("results/one/blobs.txt", configfile=one)
    before = checkout.path("results/one/blobs.json").read_bytes()
    jobs = checkout.jobs("results/two/blobs.txt", configfile=two)
    assert {"describe_keypoints", "score_hpatches"} <= jobs.keys() and "detect_keypoints" not in jobs
    checkout.run("results/two/blobs.txt", configfile=two)
    assert checkout.jobs("results/one/blobs.txt", configfile=one) == {}
    assert checkout.path("results/one/blobs.json").read_bytes() == before
    assert not checkout.path("results/one/keypoints").exists()


def test_a_class_that_is_not_there_is_named(checkout: Checkout, tmp_path: Path) -> None:
    changed = overlay(tmp_path / "wrong.yaml", [{"name": "x", "descriptor": "nowhere:X"}, "sift"])
    done = checkout.run("--dry-run", "results/summary.txt", configfile=changed, check=False)
    assert done.returncode != 0
    message = "config key descriptors (x): descriptor 'nowhere:X': there is no Python mod"
    assert message in " ".join(done.stdout.split()), done.stdout[-2000:]


def test_published_weights_are_fetched_where_none_are_named(checkout: Checkout, tmp_path: Path) -> None:
    changed = overlay(tmp_path / "peer.yaml", [{"name": "disk", "keypoints": "own"}])
    assert checkout.jobs("results/summary.txt", configfile=changed)["get_weights"] == 1


def test_weights_of_the_keypoints_serve_the_same_methods_descriptor(checkout: Checkout, tmp_path: Path) -> None:
    checkout.path("mine.pth").write_bytes(b"any")
    points = {"detector": "superpoint", "weights": "mine.pth"}
    named = {"name": "wide", "descriptor": "superpoint", "keypoints": points | {"nms_radius": 8}}
    changed = overlay(tmp_path / "peer.yaml", ["superpoint", named])
    changed.write_text(changed.read_text() + yaml.safe_dump({"keypoints": points}))
    jobs = checkout.jobs("results/summary.txt", configfile=changed)
    assert (jobs["detect_keypoints"], jobs["describe_keypoints"]) == (2, 2)
    assert "get_weights" not in jobs
    checkout.path("mine.pth").unlink()
    done = checkout.run("--dry-run", "results/summary.txt", configfile=changed, check=False)
    assert "config key keypoints.weights: there is no file 'mine.pth'" in " ".join(done.stdout.split())


def test_comparison_with_the_baselines_trains_nothing(checkout: Checkout) -> None:
    config = ROOT / "config/hpatches.yaml"
    listed, jobs = yaml.safe_load(config.read_text()), checkout.jobs("all", configfile=config)
    assert (jobs["get_dataset"], jobs["get_weights"]) == (1, len(WEIGHTS))
    assert jobs["score_hpatches"] == len(listed["benchmarks"]) * len(listed["descriptors"])
    assert "train" not in jobs
