"""Scoring of retrieval and localization from the command line: every step is a command."""

import inspect
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from hndesc.cli.main import build_parser, main
from hndesc.evaluation.localization.evaluate import localize_queries
from hndesc.evaluation.speed import measure_speed
from hndesc.io.features import FeatureReader
from hndesc.io.images import write_image
from hndesc.localization.pnp import PnpSettings
from hndesc.reconstruction.mapping import ReconstructionSettings
from hndesc.reconstruction.pairs import Pairing
from hndesc.retrieval.reranking import rerank_shortlist
from tests.cli.test_main import texture
from tests.fixtures.synthetic import Mapped


def run(*arguments: object) -> None:
    main([str(one) for one in arguments])


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two queries, each a part of a database image, in the layout of rOxford5k."""
    root = tmp_path_factory.mktemp("places")
    for number in range(4):
        write_image(root / "jpg" / f"{number}.jpg", texture(number, 180, 240))
    truth = {
        "imlist": ["0", "1", "2", "3"],
        "qimlist": ["0", "1"],
        "gnd": [{"bbx": [20, 20, 220, 160], "easy": [n], "hard": [], "junk": []} for n in range(2)],
    }
    (root / "gnd_places.pkl").write_bytes(pickle.dumps(truth))
    return root


def test_retrieval(places: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    features, shortlist = tmp_path / "f.h5", tmp_path / "s.h5"
    run("extract", places, features, "--kind", "retrieval", "--model", "rootsift", "--workers", 1)
    with FeatureReader(features) as reader:
        assert reader.names() == [*(f"db/{n}" for n in range(4)), "query/0", "query/1"]
        assert reader.read("query/0").image_size == (200, 140)
    run("shortlist", places, shortlist, "--global-descriptor", "color_gradient")
    capsys.readouterr()
    scored = "score", "retrieval", places, features, shortlist
    run(*scored, "--output", tmp_path / "r.txt", "--json", tmp_path / "r.json", "--estimator", "magsac", "--top", 3)
    assert capsys.readouterr().out == (tmp_path / "r.txt").read_text()
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["figures"]["mAP"]["medium"] == 1.0
    assert found["settings"]["top"] == 3 and found["settings"]["min_inliers"] == 8
    run(*scored, "--output", tmp_path / "r.txt")  # replaces what it has written
    with pytest.raises(SystemExit):
        run(*scored, "--output", places / "jpg" / "0.jpg")
    assert "not made by hndesc" in capsys.readouterr().err


def test_localization(mapped: Mapped, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root, features = mapped.scene.root, mapped.scene.features
    pairs, matches, folder = tmp_path / "pairs.txt", tmp_path / "m.h5", tmp_path / "map"
    run("pairs", root, pairs, "--localization")
    run("match-pairs", features, pairs, matches, "--threads", 1)
    run("build-map", root, features, matches, folder, "--pairs", pairs, "--threads", 1)
    scored = "score", "localization", root, features, matches, folder, "--pairs", pairs
    run(*scored, "--output", tmp_path / "poses.txt", "--json", tmp_path / "l.json")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("pairs.txt: 63 pairs") and lines[2].endswith("map: 8 images, 200 points")
    assert lines[3].startswith("day: 4 of 4 queries localized, 100.0 % within 0.25/2,")
    assert len((tmp_path / "poses.txt").read_text().splitlines()) == 7
    assert json.loads((tmp_path / "l.json").read_text())["settings"]["method"] == "pnp"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "{places}", "{places}", "f.h5", "--kind", "retrieval"], "--kind retrieval takes one folder"),
        (["shortlist", "{places}", "s.h5", "--ranking", "r.pkl", "--distractors", "d"], "cannot be combined"),
        (["score", "localization", "{places}", "f.h5", "m.h5", "map", "--output", "p.txt"], "not a localization"),
        (["match-pairs", "f.h5", "{places}/none.txt", "m.h5"], "none.txt: no such file"),
    ],
)
def test_a_mistake_is_named(places: Path, capsys: pytest.CaptureFixture, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*(one.format(places=places) for one in arguments))
    assert stopped.value.code == 1 and message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "step", "names"),
    [
        ("score retrieval a b c --output d", rerank_shortlist, {"top", "ratio", "min_inliers", "estimator"}),
        ("score localization a b c d --output e", localize_queries, {"method", "seed"}),
        ("pairs a b", Pairing, {"exhaustive", "similar", "sequential"}),
        ("localize a b", PnpSettings, {"max_error", "min_inliers"}),
        ("reconstruct a b", ReconstructionSettings, {"max_error", "min_num_inliers", "min_model_size", "seed"}),
        ("bench", measure_speed, {"keypoints", "seconds"}),
    ],
)
def test_defaults_are_those_of_the_step(command: str, step: Callable[..., object], names: set[str]) -> None:
    chosen = vars(build_parser().parse_args(command.split()))
    parameters = inspect.signature(step).parameters
    assert {name: chosen[name] for name in names} == {name: parameters[name].default for name in names}
