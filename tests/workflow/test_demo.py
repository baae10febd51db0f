"""The default run, as `make all` does it but with a quarter of the steps: minutes of real training that must pay."""

import json
from pathlib import Path

import pytest

from tests.fixtures.demo import Demo

from .conftest import Checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def default(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("default")
    checkout, steps = demo.checkout.copy(folder / "hndesc"), folder / "steps.yaml"
    steps.write_text("training: {steps: 250}\n")
    checkout.run("all", configfile=steps)
    return checkout


def result(default: Checkout, benchmark: str, descriptor: str) -> dict:
    path: Path = default.path(f"results/scores/{benchmark}/{descriptor}.json")
    return json.loads(path.read_text())


def test_the_trained_model_beats_its_own_initialization(default: Checkout) -> None:
    accuracy = {one: result(default, "hpatches", one)["figures"]["mma"]["3"]["avg"] for one in ("trained", "untrained")}
    assert accuracy["trained"] >= accuracy["untrained"] + 0.05, accuracy


def test_views_by_the_fitted_steerer_help_in_changed_views(default: Checkout) -> None:
    one, views = (result(default, "hpatches", name) for name in ("trained", "trained-views"))
    assert views["features"]["views"] and views["features"]["descriptor"]["steered"]
    found, single = (scores["figures"]["mma"]["3"]["v"] for scores in (views, one))
    assert found >= single, (found, single)


def test_day_queries_are_localized(default: Checkout) -> None:
    figures = {one: result(default, "localization", one)["figures"] for one in ("trained", "sift")}
    for one, found in figures.items():
        assert found["day"]["recall"]["0.25/2"] >= 0.9, (one, found["day"])


def test_scores_are_of_the_model_that_was_trained(default: Checkout) -> None:
    best, first = (
        result(default, "hpatches", one)["features"]["descriptor"]["sha256"] for one in ("trained", "untrained")
    )
    assert best != first
    published, scored = (default.path(f"results/{name}.txt") for name in ("hpatches", "scores/hpatches/trained"))
    assert published.read_text() == scored.read_text()
