"""Runs of different names have results of their own, and share what depends on data and settings alone."""

import pytest

from hndesc.errors import HndescError

from .planning import plan_of

HPATCHES = {"name": "h", "kind": "hpatches", "dataset": "data/some set"}


def test_the_run_without_a_name_lies_directly_below_results() -> None:
    plan = plan_of()
    assert (plan.places.results, plan.places.shared) == ("results", "results")
    assert plan.descriptors.keypoint_file("hpatches", "sift") == "results/keypoints/hpatches.h5"
    assert plan.images.photos == "results/photos/training"


def test_a_named_run_lies_in_a_folder_of_its_own() -> None:
    plan = plan_of(run="mine")
    own = [plan.runs.checkpoints["trained"], plan.runs.checkpoints["in_pair.seed0"], *plan.figures]
    assert all(path.startswith("results/mine/") for path in own)
    shared = [plan.images.photos, plan.runs.copies("training"), plan.descriptors.keypoint_file("hpatches", "sift")]
    assert all(path.startswith("results/shared/") for path in shared)


def test_equal_things_of_two_runs_have_one_place() -> None:
    one = plan_of(run="one", benchmarks=[HPATCHES])
    two = plan_of(run="two", benchmarks=[HPATCHES | {"name": "other"}], training={"steps": 7})
    assert one.descriptors.keypoint_file("h", "sift") == two.descriptors.keypoint_file("other", "sift")
    assert one.runs.copies("training") == two.runs.copies("training") and one.images.photos == two.images.photos
    small = HPATCHES | {"protocol": "480x640"}
    prepared = [plan_of(run=name, benchmarks=[small]).images.folder("h") for name in ("one", "two")]
    assert prepared[0] == prepared[1] and prepared[0].startswith("results/shared/resized/some-set-")


@pytest.mark.parametrize(
    "changes",
    [
        {"benchmarks": [HPATCHES | {"dataset": "elsewhere"}]},
        {"benchmarks": [HPATCHES | {"resize_max": 640}]},
        {"benchmarks": [HPATCHES | {"settings": {"large_scenes": True}}]},
        {"keypoints": {"contrast_threshold": 0.01}},
        {"keypoints": {"detector": "disk"}},
    ],
)
def test_other_keypoints_have_another_place(changes: dict) -> None:
    base = plan_of(run="one", benchmarks=[HPATCHES]).descriptors.keypoint_file("h", "sift")
    assert plan_of(run="two", **({"benchmarks": [HPATCHES]} | changes)).descriptors.keypoint_file("h", "sift") != base


@pytest.mark.parametrize("changes", [{"seed": 1}, {"photos": "x"}, {"styles": "x"}, {"stylization": {"noise": 2}}])
def test_other_copies_have_another_place(changes: dict) -> None:
    assert plan_of(run="one", **changes).runs.copies("training") != plan_of(run="one").runs.copies("training")


def test_keypoints_of_what_a_run_shortlists_are_its_own() -> None:
    entry = {"name": "r", "kind": "retrieval", "dataset": "r", "candidates_only": True}
    files = [plan_of(run=name, benchmarks=[entry]).descriptors.keypoint_file("r", "sift") for name in ("one", "two")]
    assert files[0] != files[1]


@pytest.mark.parametrize("name", ["shared", "training", "scores", "a/b", ""])
def test_names_that_would_mix_runs_are_refused(name: str) -> None:
    with pytest.raises(HndescError, match=r"config key 'run'"):
        plan_of(run=name)
