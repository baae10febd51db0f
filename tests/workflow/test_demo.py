"""The default run, as `make all` does it: minutes of real training that must pay."""

import json
from pathlib import Path

import pytest

from .conftest import Checkout, make_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = make_checkout(tmp_path_factory.mktemp("demo") / "hndesc")
    checkout.run("all", configfile=None)
    return checkout


def result(demo: Checkout, benchmark: str, descriptor: str) -> dict:
    path: Path = demo.path(f"results/scores/{benchmark}/{descriptor}.json")
    return json.loads(path.read_text())


def test_the_trained_model_beats_its_own_initialization(demo: Checkout) -> None:
    accuracy = {one: result(demo, "hpatches", one)["figures"]["mma"]["3"]["avg"] for one in ("trained", "untrained")}
    assert accuracy["trained"] >= accuracy["untrained"] + 0.05, accuracy


def test_day_queries_are_localized(demo: Checkout) -> None:
    figures = {one: result(demo, "localization", one)["figures"] for one in ("trained", "sift")}
    for one, found in figures.items():
        assert found["day"]["recall"]["0.25/2"] >= 0.9, (one, found["day"])


def test_scores_are_of_the_model_that_was_trained(demo: Checkout) -> None:
    best, first = (
        result(demo, "hpatches", one)["features"]["descriptor"]["sha256"] for one in ("trained", "untrained")
    )
    assert best != first
    assert demo.path("results/hpatches.txt").read_text() == demo.path("results/scores/hpatches/trained.txt").read_text()
