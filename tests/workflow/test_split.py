"""Own photos split by a rule, sequences made of those held out, and a bundled model evaluated on them by its name."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from hndesc.datasets.homography.sequences import read_sequences
from hndesc.io.images import write_image
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model

from .conftest import Checkout, make_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "hubble_deep_field", "retina", "brick", "gravel", "grass")
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
    for number, name in enumerate(PHOTOS):
        image = np.atleast_3d(getattr(skimage.data, name)())
        image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[..., :3]
        folder = made.path("photos") / ("one" if number % 2 else "two")
        write_image(folder / f"{name}.png", cv2.resize(image, (640, 480), interpolation=cv2.INTER_AREA))
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
