"""The recipe of the default model, made small: from photographs through its chain of trainings to a released model."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from tests.fixtures.commands import environment

from .conftest import Checkout, make_checkout, write_photos

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

RECIPE = "config/hndesc-fast.yaml"
RUN = "results/hndesc-fast"
BRIEF = {"steps": 3, "batch_size": 2, "crop_size": 64, "max_keypoints": 30, "scheduler": {"warmup": 1}}
BRIEF |= {"validation": {"every": 2, "pairs": 2, "share": 0.5}}
SMALL = {
    "stylization": {"copies": 1},
    "split": {"share": 0.4, "seed": 291, "sequences": {"viewpoint": 1, "illumination": 1}},
    "training": BRIEF,
    "training_runs": {"curriculum": {"training": BRIEF}, "octave": {"training": {"steps": 3}}},
    "descriptors": ["trained"],
}
ABOUT = {"summary": "Small.", "data": [], "license": "MIT", "hardware": "a core", "hours": 0.1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the recipe's model was trained on few photographs in few steps, and evaluated."""
    made = make_checkout(tmp_path_factory.mktemp("recipe") / "hndesc")
    # Two of three may be trained on.
    write_photos([made.path(f"data/photos/{folder}") for folder in ("free/one", "free/two", "other")])
    made.path("small.yaml").write_text(yaml.safe_dump(SMALL))
    made.run(f"{RUN}/validation.json", f"{RUN}/test.json", "--configfile", RECIPE, "small.yaml", configfile=None)
    return made


def weights(checkout: Checkout, run: str, name: str = "model") -> Mapping[str, Tensor]:
    return load_file(checkout.path(f"{RUN}/{run}/{name}.safetensors"))


def test_trains_on_free_photographs_alone(trained: Checkout) -> None:
    training = {path.parent.name for path in trained.path("data/free/training").rglob("*.png")}
    held_out = {path.parent.name for path in trained.path("data/free/held_out").rglob("*.png")}
    assert training == {"one", "two"} and held_out == {"one", "two", "other"}


def test_each_training_starts_from_the_one_before(trained: Checkout) -> None:
    first, curriculum = (weights(trained, "training_runs/curriculum", name) for name in ("initial", "model"))
    assert any(not torch.equal(values, first[name]) for name, values in curriculum.items())
    for run, start in (("curriculum", "hard"), ("hard", "octave")):
        before, after = weights(trained, f"training_runs/{run}"), weights(trained, f"training_runs/{start}", "initial")
        assert before.keys() == after.keys()
        assert all(torch.equal(values, after[name]) for name, values in before.items())
    octave, pyramid = weights(trained, "training_runs/octave"), weights(trained, "training", "initial")
    learned = {name for name, values in octave.items() if values.is_floating_point()}
    assert learned
    for name in learned:
        copies = [values for key, values in pyramid.items() if key.endswith(f".{name}")]
        assert len(copies) == 3 and all(torch.equal(values, octave[name]) for values in copies), name


def test_the_model_is_released_with_a_card_of_its_scores(trained: Checkout) -> None:
    trained.path("about.yaml").write_text(yaml.safe_dump(ABOUT))
    scores = sorted(path.relative_to(trained.folder) for path in trained.path(f"{RUN}/scores").glob("*/*.json"))
    assert len(scores) == 2
    command = [sys.executable, "-c", "from hndesc.cli.main import main; main()", "release"]
    command += [f"{RUN}/training/model.safetensors", "hndesc-new", "--about", "about.yaml", "--scores", *scores]
    subprocess.run(command, cwd=trained.folder, env=environment(), check=True)
    card = json.loads(trained.path("hndesc/models/bundled/hndesc-new.json").read_text())
    assert (card["name"], card["architecture"], card["settings"]["steps"]) == ("hndesc-new", "fast_pyramid", 3)
    assert {(row["benchmark"], row["descriptor"]) for row in card["scores"] if row["this"]} == {
        ("validation", "model"),
        ("test", "model"),
    }
    assert {path.name for path in Path(trained.folder, "docs/models").iterdir()} == {"hndesc-new.md"}
    assert trained.path("hndesc/models/bundled/hndesc-new.safetensors").stat().st_size < 4e6  # half precision
