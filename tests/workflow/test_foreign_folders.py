"""Snakemake removes declared outputs before a job runs: folders that the workflow did not make are spared."""

from pathlib import Path

import numpy as np
import pytest

from hndesc.io.images import write_image

from .conftest import Checkout, make_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

TARGET = "data/m3/held_out/test"
CONFIG = Path("m3.yaml")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = make_checkout(tmp_path_factory.mktemp("foreign") / "hndesc")
    random = np.random.default_rng(0)
    for number in range(30):
        image = random.integers(0, 255, (40, 60, 3), np.uint8)
        for folder in ("data/m3/training", "photos"):
            write_image(made.path(f"{folder}/{number}.png"), image)
    return made


def use(checkout: Checkout, photos: str) -> None:
    checkout.path("m3.yaml").write_text(f"split: {{name: m3, photos: {photos}, share: 0.5}}\n")


@pytest.mark.parametrize(
    ("photos", "reason"),
    [("data/m3", "overlaps with the input data/m3"), ("photos", "exists and was not made by split_photos")],
)
def test_own_photos_in_the_place_of_a_split_are_spared(checkout: Checkout, photos: str, reason: str) -> None:
    use(checkout, photos)
    for options in ([], ["--forceall"], ["--dry-run"]):
        text = checkout.run(TARGET, *options, configfile=CONFIG, check=False).stdout
        assert f"data/m3/training: {reason}" in text
    for option in ("--no-hooks", "--delete-all-output"):
        assert f"{option} could remove" in checkout.run(TARGET, option, configfile=CONFIG, check=False).stdout
    assert len(list(checkout.path("data/m3/training").glob("*.png"))) == 30


def test_a_folder_of_the_workflow_is_made_again_but_not_with_what_was_added(checkout: Checkout) -> None:
    use(checkout, "photos")
    checkout.path("data/m3/training").rename(checkout.path("mine"))
    checkout.run(TARGET, configfile=CONFIG)
    checkout.run(TARGET, "--forceall", configfile=CONFIG)
    checkout.path("data/m3/training/letter.txt").write_text("dear")
    text = checkout.run(TARGET, "--forceall", configfile=CONFIG, check=False).stdout
    assert "data/m3/training: files were added since split_photos made it ('letter.txt' first)" in text
    assert checkout.path("data/m3/training/letter.txt").read_text() == "dear"
    assert len(list(checkout.path("photos").glob("*.png"))) == 30
