"""Snakemake removes declared outputs before a job runs: what the workflow did not make is spared."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hndesc.io.images import write_image

from .conftest import Checkout, make_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

TARGET = "data/m3/held_out/test"
CONFIG, OWN = Path("m3.yaml"), Path("own.yaml")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = make_checkout(tmp_path / "hndesc")
    random = np.random.default_rng(0)
    for number in range(30):
        image = random.integers(0, 255, (40, 60, 3), np.uint8)
        for folder in ("data/m3/training", "photos"):
            write_image(made.path(f"{folder}/{number}.png"), image)
    return made


def use(checkout: Checkout, photos: str) -> None:
    checkout.path("m3.yaml").write_text(f"split: {{name: m3, photos: {photos}, share: 0.5}}\n")


def refusal(checkout: Checkout, *arguments: str, config: Path = CONFIG) -> str:
    done = checkout.run(*arguments, configfile=config, check=False)
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("photos", "reason"),
    [("data/m3", "overlaps with the input data/m3"), ("photos", "exists and was not made by split_photos")],
)
def test_own_photos_in_the_place_of_a_split_are_spared(checkout: Checkout, photos: str, reason: str) -> None:
    use(checkout, photos)
    for options in ([], ["--forceall"], ["--dry-run"], ["--no-hooks"], ["--dry-run", "--quiet", "all"]):
        assert f"data/m3/training: {reason}" in refusal(checkout, TARGET, *options)
    assert "--delete-all-output could remove" in refusal(checkout, TARGET, "--delete-all-output")
    assert len(list(checkout.path("data/m3/training").glob("*.png"))) == 30


def test_a_folder_of_the_workflow_is_made_again_but_not_with_what_was_added(checkout: Checkout) -> None:
    use(checkout, "photos")
    checkout.path("data/m3/training").rename(checkout.path("mine"))
    checkout.run(TARGET, configfile=CONFIG)
    checkout.run(TARGET, "--forceall", configfile=CONFIG)
    checkout.path("data/m3/training/letter.txt").write_text("dear")
    text = refusal(checkout, TARGET, "--forceall")
    assert "data/m3/training: files were added since split_photos made it ('letter.txt' first)" in text
    assert checkout.path("data/m3/training/letter.txt").read_text() == "dear"
    assert len(list(checkout.path("photos").glob("*.png"))) == 30


def test_a_summary_runs_nothing_and_is_not_refused(checkout: Checkout) -> None:
    use(checkout, "photos")
    folder = checkout.path("data/m3/sequences/test")
    folder.mkdir(parents=True)
    assert "data/m3/sequences/test" in checkout.run("data/m3/sequences/test", "--summary", configfile=CONFIG).stdout
    folder.rmdir()


@pytest.mark.parametrize(("content", "options"), [("photo.png", []), (None, ["--dry-run"])])
def test_a_foreign_target_is_not_taken_for_up_to_date(
    checkout: Checkout, content: str | None, options: list[str]
) -> None:
    use(checkout, "photos")
    shutil.rmtree(checkout.path("data/m3/training"))  # foreign, too: only one may be named
    folder = checkout.path("data/m3/sequences/test")
    folder.mkdir(parents=True)
    if content:
        folder.joinpath(content).write_bytes(b"mine")
    text = refusal(checkout, "data/m3/sequences/test", *options)
    assert "data/m3/sequences/test: exists and was not made by make_sequences; move it away" in text
    shutil.rmtree(folder)


def test_a_foreign_folder_is_no_input(checkout: Checkout) -> None:
    use(checkout, "photos")
    shutil.rmtree(checkout.path("data/m3/held_out"), ignore_errors=True)
    for side in ("training", "held_out/validation", "held_out/test"):
        write_image(checkout.path(f"data/m3/{side}/mine.png"), np.zeros((40, 60, 3), np.uint8))
    text = refusal(checkout, "data/m3/sequences/test")
    assert "exists and was not made by split_photos; move it away" in text


OUTPUT = "results/keypoints/training.h5"


def test_a_file_that_no_run_has_made_is_neither_kept_nor_removed(checkout: Checkout) -> None:
    checkout.path("own.yaml").write_text("photos: photos\n")
    file, log = checkout.path(OUTPUT), checkout.path("results/logs/detect_keypoints/training.log")
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    for options in ([], ["--dry-run"], ["--forceall"]):
        text = refusal(checkout, OUTPUT, *options, config=OWN)
        assert f"{OUTPUT}: exists, and no run here has made it; move it away" in text
    assert file.read_text() == "mine"
    file.unlink()
    log.parent.mkdir(parents=True)
    os.mkfifo(log)  # opening it would block
    assert "training.log: a FIFO, socket or device exists under the name" in refusal(checkout, OUTPUT, config=OWN)
    log.unlink()
    checkout.run(OUTPUT, configfile=OWN)
    checkout.run(OUTPUT, "--forceall", configfile=OWN)


def test_results_that_were_copied_without_records_can_be_taken_over(checkout: Checkout) -> None:
    checkout.path("own.yaml").write_text("photos: photos\n")
    checkout.run(OUTPUT, configfile=OWN)
    shutil.rmtree(checkout.path(".snakemake/metadata"))
    assert "accepted by this command with --touch --forceall" in refusal(checkout, OUTPUT, config=OWN)
    before = checkout.path(OUTPUT).read_bytes()
    checkout.run(OUTPUT, "--touch", "--forceall", configfile=OWN)
    assert checkout.jobs(OUTPUT, configfile=OWN) == {}
    assert checkout.path(OUTPUT).read_bytes() == before


def test_an_input_that_is_edited_during_a_run_is_named(checkout: Checkout) -> None:
    checkout.path("own.yaml").write_text("photos: photos\n")
    with checkout.path("Snakefile").open("a") as file:
        file.write("\n\nonstart:\n    shell('cp photos/1.png photos/0.png')\n")
    text = refusal(checkout, OUTPUT, config=OWN)
    assert "photos: was changed during this run, so results can be of either state; run the same command again" in text
    assert "list_photos" in checkout.jobs(OUTPUT, configfile=OWN)
    checkout.path("Snakefile").write_text(checkout.path("Snakefile").read_text().rpartition("\n\nonstart:")[0])
    checkout.run(OUTPUT, configfile=OWN)
    assert checkout.jobs(OUTPUT, configfile=OWN) == {}
