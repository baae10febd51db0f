"""Own photos split by a rule, sequences made of those held out, and a bundled model evaluated on them by its name."""

import json
from pathlib import Path

import pytest

from hndesc.datasets.homography.sequences import read_sequences
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model

from .conftest import Checkout, make_checkout, write_photos

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

CONFIG = """
split:
  name: own
  photos: [photos/one, photos/two]
  share: 0.7
  seed: 3
  sequences: {viewpoint: 1, illumination: 1}
photos: data/own/training
descriptors: [hndesc-tiny, sift]
benchmarks:
  - {name: held_out, kind: hpatches, dataset: data/own/sequences/test, max_keypoints: 200}
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = make_checkout(tmp_path_factory.mktemp("split") / "hndesc")
    write_photos([made.path("photos/two"), made.path("photos/one")])
    save_checkpoint(
        made.path("hndesc/models/bundled/hndesc-tiny.safetensors"), build_model("lite", "random", seed=8), {}
    )
    made.path("own.yaml").write_text(CONFIG)
    made.run("results/held_out.json", configfile=Path("own.yaml"))
    return made


def test_a_bundled_model_is_evaluated_on_held_out_photos(checkout: Checkout) -> None:
    result = json.loads(checkout.path("results/held_out.json").read_text())
    assert result["features"]["descriptor"]["name"] == "hndesc-tiny"
    assert result["sequences"]["v"] == result["sequences"]["i"] == 1


def test_no_test_photo_is_trained_on(checkout: Checkout) -> None:
    sides = {
        side: {p.stem for p in checkout.path(f"data/own/{side}").glob("*.png")}
        for side in ("training", "held_out/test")
    }
    assert sides["training"] and sides["held_out/test"] and not sides["training"] & sides["held_out/test"]
    for sequence in read_sequences(checkout.path("data/own/sequences/test")):
        assert sequence.name.split("_", 2)[2] in sides["held_out/test"]


def test_nothing_is_made_twice(checkout: Checkout) -> None:
    assert not checkout.jobs("results/held_out.json", configfile=Path("own.yaml"))
