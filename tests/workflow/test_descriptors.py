"""Which keypoints an entry describes, and which files it needs."""

from pathlib import Path
from typing import Any

import pytest

from hndesc.errors import HndescError
from hndesc.models.bundled import DETECTOR, bundled_models

from .planning import plan_of

LISTING = "hndesc.datasets.image_set"
DENSE = {"detector": "sift", "contrast_threshold": 0.01}
ENTRIES = [
    "trained",
    "rootsift",
    "hndesc-lite",
    {"name": "dense", "descriptor": "sift", "keypoints": DENSE},
    {"name": "denser", "descriptor": "rootsift", "keypoints": DENSE},
    {"name": "few", "descriptor": "sift", "keypoints": "own", "max_keypoints": 30},
    {"name": "points", "descriptor": "superpoint", "keypoints": "own", "weights": "w.pth"},
    {"name": "mine", "descriptor": "a/b.safetensors", "settings": {"radius": 3}},
    {"name": "theirs", "features": "f/{benchmark}.h5"},
]


@pytest.fixture(scope="module")
def descriptors():
    return plan_of(descriptors=ENTRIES).descriptors


def test_equal_keypoints_are_made_once(descriptors) -> None:
    assert list(descriptors.keypoint_sets) == ["", "@dense", "@few", "@points"]
    assert descriptors.keypoint_file("hpatches", "denser") == "results/keypoints/hpatches@dense.h5"
    assert descriptors.keypoint_file("hpatches", "few", "1-of-2") == "results/keypoints/hpatches@few.1-of-2.h5"
    assert descriptors.keypoint_file("hpatches", "trained") == "results/keypoints/hpatches.h5"
    assert descriptors.keypoint_sets["@few"] == {"detector": "sift", "max_keypoints": 30}


def test_settings_of_a_set_go_over_those_of_the_images(descriptors) -> None:
    images = {"max_keypoints": 4096, "resize_max": 1024}
    assert descriptors.detector_settings("@few", images) == {"max_keypoints": 30, "resize_max": 1024}
    assert descriptors.detector_settings("@dense", images) == images | {"contrast_threshold": 0.01}


def test_files(descriptors) -> None:
    assert descriptors.model("trained") == "results/training/model.safetensors"
    assert descriptors.model("hndesc-lite") == str(bundled_models()["hndesc-lite"])
    assert descriptors.model("mine") == "a/b.safetensors" and descriptors.model("rootsift") == []
    assert descriptors.weights("points") == descriptors.detector_weights("@points") == "w.pth"
    assert descriptors.weights("trained") == descriptors.detector_weights("") == []
    assert descriptors.features("b", "theirs") == "f/b.h5"
    assert descriptors.settings("mine") == {"radius": 3} and descriptors.settings("trained") == {}


def test_what_is_described_and_what_is_imported(descriptors) -> None:
    assert descriptors.imported == ["theirs"]
    assert {"trained", "untrained", "base.seed0", "few"} <= set(descriptors.described)


def test_published_weights_and_those_of_the_keypoints() -> None:
    published = plan_of(descriptors=[{"name": "disk", "keypoints": "own"}]).descriptors
    assert published.weights("disk") == "data/weights/disk-depth-save.pth"
    shared = plan_of(keypoints={"detector": "superpoint", "weights": "s.pth"}, descriptors=["superpoint"]).descriptors
    assert shared.weights("superpoint") == "s.pth"


def test_an_edited_class_is_another_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    source = tmp_path / "my_own_class_of_tests.py"
    source.write_text("class A: pass\n")
    descriptors = plan_of(descriptors=[{"name": "x", "descriptor": "my_own_class_of_tests:A"}]).descriptors
    before = descriptors.code("x", LISTING)
    source.write_text("class A: x = 1\n")
    assert descriptors.code("x", LISTING) != before


def test_codes_follow_what_is_in_use() -> None:
    trainings = ({"architecture": name, "octaves": False} for name in ("lite", "caps"))
    lite, caps = (plan_of(training=training).descriptors for training in trainings)
    assert lite.code("trained", LISTING) != caps.code("trained", LISTING)
    assert lite.code("sift", LISTING) == caps.code("sift", LISTING)
    assert lite.detector_code("", LISTING) != plan_of(keypoints={"detector": "disk"}).descriptors.detector_code(
        "", LISTING
    )


def test_own_keypoints_need_a_detector() -> None:
    with pytest.raises(HndescError, match=r"descriptors \(trained\): 'trained' has no detector of its own"):
        plan_of(descriptors=[{"name": "trained", "keypoints": "own"}])


def test_a_benchmark_leaves_descriptors_out() -> None:
    left_out = ["untrained", "disk", "trained-views"]  # the last one is of another configuration
    scene = {"name": "scene", "kind": "localization", "dataset": "scene", "without": left_out}
    pairs = {"name": "pairs", "kind": "hpatches", "dataset": "pairs"}
    plan = plan_of(descriptors=["trained", "untrained", "sift"], benchmarks=[pairs, scene])
    assert plan.descriptors.evaluated("pairs") == ["trained", "untrained", "sift"]
    assert plan.descriptors.evaluated("scene") == ["trained", "sift"]
    assert plan.evaluations == [
        ("pairs", "trained"),
        ("pairs", "untrained"),
        ("pairs", "sift"),
        ("scene", "trained"),
        ("scene", "sift"),
    ]


@pytest.mark.parametrize(
    ("without", "message"),
    [
        (["trained-view"], r"has 'trained-view', which is no descriptor; did you mean 'trained-views'"),
        (["untraned"], r"benchmarks \(pairs\)\.without.*'untraned'.*did you mean 'untrained'"),
        (["trained", "untrained"], r"benchmarks \(pairs\)\.without.*leaves no descriptor"),
    ],
)
def test_what_is_left_out_is_known_and_not_everything(without: list[str], message: str) -> None:
    pairs = {"name": "pairs", "kind": "hpatches", "dataset": "pairs", "without": without}
    with pytest.raises(HndescError, match=message):
        plan_of(descriptors=["trained", "untrained"], benchmarks=[pairs])


def test_detector_weights_are_bundled_trained_or_named() -> None:
    def weights(value: str | None, **more: Any) -> str | list[str]:
        keypoints = {"detector": "hndesc", "weights": value}
        plan = plan_of(descriptors=[{"name": "one", "descriptor": "hndesc-lite", "keypoints": keypoints}], **more)
        return plan.descriptors.detector_weights("@one")

    assert weights(None) == str(DETECTOR) and DETECTOR.is_file()
    assert weights("trained") == "results/detector/hndesc.safetensors"
    assert weights("trained", run="mine") == "results/mine/detector/hndesc.safetensors"
    assert weights("some/../own.safetensors") == "own.safetensors"


def test_detector_is_trained_by_its_section_and_the_seed_of_the_run() -> None:
    plan = plan_of(detector_training={"steps": 7, "loss": {"distance": 2.0}}, seed=3)
    assert plan.detector_training == {"steps": 7, "loss": {"distance": 2.0}, "seed": 3}
    with pytest.raises(HndescError, match=r"config key 'detector_training\.stepz' is unknown; did you mean 'steps'"):
        plan_of(detector_training={"stepz": 7})
