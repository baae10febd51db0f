"""The trainings of a configuration and its ablation: where each lies, what it starts from and needs."""

import pytest

from hndesc.errors import HndescError
from hndesc.workflow.training_runs import describe_overrides, overlaid, stylization_name

from .planning import plan_of

RUNS = {
    "base": {},
    "in_pair": {"training": {"loss": {"negatives": "in_pair"}}},
    "global": {"training": {"loss": {"negatives": "in_batch_global"}, "weights": "x/y.safetensors"}},
    "plain": {"training": {"stylized_probability": 0}},
    "half": {"stylization": {"method": "monge_kantorovich", "strength": 0.5}},
    "gone": None,
}


def test_overlaid_goes_section_by_section() -> None:
    base = {"a": 1, "b": {"c": 2, "d": 3}}
    assert overlaid(base, {"b": {"c": 4}, "e": 5}) == {"a": 1, "b": {"c": 4, "d": 3}, "e": 5}
    assert overlaid(base, {"b": None}) == {"a": 1, "b": None}
    assert base == {"a": 1, "b": {"c": 2, "d": 3}}


def test_the_name_of_a_stylization_follows_its_settings_alone() -> None:
    assert stylization_name({"method": "local", "shards": 4}) == "local"
    names = {stylization_name({"method": "local", **rest}) for rest in ({"noise": 1}, {"noise": 2}, {"copies": 2})}
    assert len(names) == 3 and all(name.startswith("local-") for name in names)


def test_a_variant_that_is_the_configured_training_is_not_trained_twice() -> None:
    runs = plan_of(ablation={"runs": RUNS, "references": ["sift"]}).runs
    assert runs.variants["base", 0] == "training"
    assert set(runs.runs) == {"training", *(f"ablation/{name}/seed0" for name in RUNS if name not in ("base", "gone"))}
    assert runs.checkpoints["in_pair.seed0"] == "results/ablation/in_pair/seed0/model.safetensors"
    assert runs.checkpoints["base.seed0"] == runs.checkpoints["trained"] == "results/training/model.safetensors"
    assert runs.evaluated[:2] == [("sift", "sift"), ("base", "base.seed0")]
    assert runs.differences["base"] == "as configured" and "gone" not in runs.differences
    assert runs.differences["in_pair"] == "loss.negatives = in_pair"


def test_seeds() -> None:
    runs = plan_of(seed=5, ablation={"runs": RUNS, "seeds": [4, 5]}).runs
    assert (runs.variants["base", 5], runs.variants["base", 4]) == ("training", "ablation/base/seed4")
    assert runs.runs["ablation/base/seed4"].seed == 4


def test_what_a_training_needs() -> None:
    runs = plan_of(ablation={"runs": RUNS}).runs
    assert runs.neighbors("ablation/global/seed0") == "results/neighbors/training.tsv"
    assert runs.weights("ablation/global/seed0") == "x/y.safetensors"
    assert runs.neighbors("training") == runs.weights("training") == runs.copies("ablation/plain/seed0") == []
    assert runs.copies("training") == "results/stylized/monge_kantorovich"
    half = runs.copies("ablation/half/seed0").rpartition("/")[2]
    assert runs.stylizations[half]["strength"] == 0.5 and runs.styles(half) == "data/demo/styles"


def test_a_change_of_octaves_is_a_change_of_the_descriptor() -> None:
    plain, octaves = (plan_of(training={"architecture": "lite", "octaves": value}) for value in (False, True))
    assert octaves.runs.architecture("training") == "lite_pyramid"
    assert plain.runs.architecture("training") == "lite"


def test_mixtures() -> None:
    runs = plan_of(
        stylization={"method": "mixed", "shards": 2, "methods": {"relighting": None, "wct2": {"weights": "w/"}}}
    ).runs
    name = runs.configured_stylization
    assert runs.methods(name) == ["relighting", "wct2"]
    assert runs.stylization_weights(name) == ["w"] and runs.sharded_stylizations == [name]
    assert runs.stylization_shards(name) == [f"results/stylized/{name}.{part}-of-2" for part in (1, 2)]
    assert "shards" not in runs.stylization_settings(name)
    light = plan_of(stylization={"method": "relighting"}).runs
    assert light.styles(light.configured_stylization) == []


def test_settings_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(HndescError, match=r"loss\.ring\.number"):
        plan_of(training={"loss": {"kind": "ap", "ring": {"number": 4}}})


def test_describe_overrides() -> None:
    assert describe_overrides({"training": {"a": 1, "b": {"c": "d"}}}) == "a = 1, b.c = d"


STAGES = {
    "start": {"like": "octave", "training": {"weights": "random", "steps": 3}},
    "octave": {"training": {"weights": "start", "steps": 5, "pair": {"zoom": 0.4}}},
}


def test_stages_start_from_each_other() -> None:
    runs = plan_of(training={"weights": "octave"}, training_runs=STAGES, run="mine").runs
    start, octave = (runs.runs[f"training_runs/{name}"].settings for name in ("start", "octave"))
    assert (start.weights, start.steps, start.pair.zoom) == ("random", 3, 0.4)
    assert (octave.steps, runs.weights("training_runs/start")) == (5, [])
    assert runs.weights("training_runs/octave") == "results/mine/training_runs/start/model.safetensors"
    assert runs.weights("training") == "results/mine/training_runs/octave/model.safetensors"
    assert start.architecture == "lite" and start.seed == 0


def test_a_stage_is_no_pyramid_and_has_no_steerer_unless_it_says_so() -> None:
    whole = {"octaves": True, "steerer": True}
    stages = {"start": {"training": {"weights": "random"}}, "whole": {"training": whole}}
    runs = plan_of(training={**whole, "weights": "start"}, training_runs=stages)
    steered = [runs.runs.runs[f"training{name}"].settings.steerer for name in ("_runs/start", "_runs/whole", "")]
    assert steered == [False, True, True]
    assert runs.runs.architecture("training_runs/start") == "lite"
    assert runs.runs.architecture("training_runs/whole") == runs.runs.architecture("training") == "lite_pyramid"


def test_a_variant_can_start_from_a_stage() -> None:
    runs = plan_of(training_runs=STAGES, ablation={"runs": {"x": {"training": {"weights": "octave"}}}}).runs
    assert runs.weights("ablation/x/seed0") == "results/training_runs/octave/model.safetensors"


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            {"a": {"like": "b"}, "b": {}, "c": {"like": "d"}},
            r"'training_runs\.c\.like' is 'd'.*runs are: a, b, c",
        ),
        ({"start": {}, "b": {"like": "strat"}}, r"'training_runs\.b\.like' is 'strat'; did you mean 'start'\?"),
        ({"a": {"like": "b"}, "b": {"like": "a"}}, r"like' refers to itself"),
        ({"a": {"training": {"weights": "a"}}}, "'training_runs': a starts from its own model; remove the cycle"),
        (
            {"a": {"training": {"weights": "b"}}, "b": {"training": {"weights": "a"}}},
            "'training_runs': a starts from its own model",
        ),
        ({"a": {"steps": 3}}, r"'training_runs\.a\.steps' is unknown; known here: like, training, stylization"),
    ],
)
def test_stages_that_cannot_be(stages: dict, message: str) -> None:
    with pytest.raises(HndescError, match=message):
        plan_of(training_runs=stages)


def test_a_training_at_the_keypoints_of_several_detectors() -> None:
    stages = {"start": {"training": {"weights": "random", "detectors": ["superpoint", "sift"]}}}
    plan = plan_of(training_runs=stages, keypoints={"detector": "sift", "contrast_threshold": 0.01})
    (own,) = plan.descriptors.training_keypoints("training")
    superpoint, sift = plan.descriptors.training_keypoints("training_runs/start")
    assert (own, sift) == (plan.descriptors.keypoints_of_images("training"),) * 2
    assert superpoint == plan.descriptors.keypoints_of_images("training", "@training-superpoint")
    assert plan.descriptors.detector_settings("@training-superpoint", {}) == {}
    assert plan.descriptors.detector_weights("@training-superpoint") == "data/weights/superpoint_v1.pth"
