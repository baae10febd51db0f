"""Settings come in from a config: defaults, types, bounds, and errors that name the key."""

import pytest

from hndesc.errors import HndescError
from hndesc.training.settings import fingerprint, training_settings


def test_what_is_skipped_keeps_its_default():
    settings = training_settings({"steps": 7, "loss": {"k": 3}})
    assert (settings.steps, settings.loss.k) == (7, 3)
    assert (settings.batch_size, settings.loss.bins, settings.pair.zoom) == (16, 20, 0.8)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"stepz": 3}, "stepz"),
        ({"loss": {"knn": 3}}, "loss.knn"),
        ({"color": {"sepia": 1.0}}, "color.sepia"),
        ({"steps": "many"}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"steps": True}, "steps"),
        ({"steps": 0}, "steps"),
        ({"compile": 1}, "compile"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"stylized_probability": 1.5}, "stylized_probability"),
        ({"stylized_probability": float("nan")}, "stylized_probability"),
        ({"pair": {"zoom": 1.2}}, "pair.zoom"),
        ({"loss": {"negatives": "in_bach"}}, "loss.negatives"),
        ({"scheduler": {"kind": "plateau"}}, "scheduler.kind"),
        ({"precision": "float16"}, "precision"),
        ({"loss": "ap"}, "loss"),
        ({"loss": {"ring": {"number": -1}}}, "loss.ring.number"),
        ({"loss": {"ring": {"number": 10**6}}}, "loss.ring.number"),
        ({"loss": {"ring": {"radius": 0}}}, "loss.ring.radius"),
        ({"loss": {"ring": {"radius_max": float("inf")}}}, "loss.ring.radius_max"),
        ({"loss": {"ring": {"radius": 20}}}, "loss.ring.radius"),
        ({"loss": {"ring": {"weight": 0}}}, "loss.ring.weight"),
        ({"loss": {"ring": {"weight": float("nan")}}}, "loss.ring.weight"),
        ({"loss": {"kind": "ap", "ring": {"number": 4}}}, "loss.ring.number"),
        ({"loss": {"kind": "triplet", "ring": {"number": 4}}}, "loss.ring.number"),
        ({"weights": "random", "initial_share": 0.1}, "initial_share"),
        ({"architecture": "caps", "octaves": True}, "octaves"),
        ({"architecture": "lite_pyramid", "octaves": True}, "octaves"),
    ],
)
def test_an_error_names_the_key(values, key):
    with pytest.raises(HndescError, match=f"'{key}'"):
        training_settings(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"stepz": 3},
            "training setting 'stepz' is unknown; did you mean 'steps'?; known here: architecture, weights, ",
        ),
        ({"loss": {"negative": "all"}}, "'loss.negative' is unknown; did you mean 'negatives'?; known here: kind, neg"),
        (
            {"loss": {"negatives": "in_bach"}},
            "'loss.negatives' is 'in_bach'; did you mean 'in_batch'?; choose one of: ",
        ),
        ({"steps": 0}, "'steps' must be greater than or equal to 1, not 0"),
        ({"scheduler": {"factor": 1.5}}, "'scheduler.factor' must be less than or equal to 1, not 1.5"),
        ({"steps": "many"}, "'steps' must be a valid integer, not 'many'"),
        ({"loss": "ap"}, "'loss' must be a section of settings, not 'ap'"),
        ({1: 2}, "'1' is unknown; known here: architecture"),
    ],
)
def test_an_error_is_one_line_that_says_what_is_known(values, message):
    with pytest.raises(HndescError) as wrong:
        training_settings(values)
    assert message in str(wrong.value) and "\n" not in str(wrong.value)


def test_a_section_is_taken_unchanged():
    settings = training_settings({"steps": 7})
    assert training_settings(settings) == settings
    with pytest.raises(ValueError, match="frozen"):
        settings.steps = 8


def test_numbers_as_yaml_reads_them():
    settings = training_settings({"learning_rate": "1e-4", "pair": {"rotation": 10}, "gradient_clip": 1})
    assert settings.learning_rate == 1e-4
    assert settings.pair.rotation == 10.0
    assert settings.gradient_clip == 1.0
    assert training_settings({"gradient_clip": None}).gradient_clip is None


def test_fingerprint_follows_what_decides_the_weights():
    base = fingerprint(training_settings({}), {"photos": 3})
    assert fingerprint(training_settings({"workers": 7, "save_every": 3}), {"photos": 3}) == base
    assert fingerprint(training_settings({"learning_rate": 0.5}), {"photos": 3}) != base
    assert fingerprint(training_settings({"pair": {"zoom": 0.9}}), {"photos": 3}) != base
    assert fingerprint(training_settings({}), {"photos": 4}) != base
