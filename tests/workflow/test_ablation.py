"""Named runs that differ from the configured training, compared side by side."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from tests.fixtures.pages import check_page

from .conftest import TINY, Checkout

pytestmark = pytest.mark.workflow

RUNS = {
    "base": {},
    "in_pair": {"training": {"loss": {"negatives": "in_pair"}}},
    "no_stylization": {"training": {"stylized_probability": 0}},
    "half": {"stylization": {"method": "monge_kantorovich", "strength": 0.5}},
}


def overlay(path: Path, **section) -> Path:
    config = yaml.safe_load(TINY.read_text()) | {"ablation": {"references": ["sift"], "runs": RUNS} | section}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def test_what_is_shared_is_made_once(finished: Checkout, tmp_path: Path) -> None:
    jobs = finished.jobs("ablation", configfile=overlay(tmp_path / "ablation.yaml"))
    # base is the configured training; the photos' keypoints, and copies but for those of another strength, are there.
    assert jobs["train"] == 3
    assert jobs["stylize_photos"] == 1
    assert jobs["describe_keypoints"] == jobs["score_hpatches"] == 4
    assert not {"demo_data", "list_photos", "detect_keypoints"} & set(jobs)
    assert "train" not in finished.jobs("all", configfile=overlay(tmp_path / "ablation.yaml"))


def test_seeds_and_null(finished: Checkout, tmp_path: Path) -> None:
    config = overlay(tmp_path / "ablation.yaml", seeds=[0, 1, 2], runs=RUNS | {"half": None})
    jobs = finished.jobs("ablation", configfile=config)
    assert jobs["train"] == 3 * 3 - 1
    assert "stylize_photos" not in jobs


def test_the_ablation_of_the_paper_is_the_default(finished: Checkout) -> None:
    runs = yaml.safe_load(finished.path("config/ablations.yaml").read_text())["ablation"]["runs"]
    assert finished.jobs("ablation")["train"] == len(runs) - 2  # base and all are the configured training


@pytest.mark.parametrize("name", ["backbones", "stylization"])
def test_experiments_run_by_one_command(finished: Checkout, name: str) -> None:
    config = finished.path(f"config/{name}.yaml")
    ablation = yaml.safe_load(config.read_text())["ablation"]
    # On the demo each run is trained once a seed, none of them the finished training: the budget is another.
    trainings = len(ablation["runs"]) * len(ablation.get("seeds", [0]))
    assert finished.jobs("ablation", configfile=config)["train"] == trainings


def test_a_dry_run_shows_photos_and_time_at_its_end(finished: Checkout, tmp_path: Path) -> None:
    text = finished.run("--dry-run", "ablation", configfile=overlay(tmp_path / "ablation.yaml")).stdout
    photos, time = text.splitlines()[-2:]
    assert photos == "To train on: 12 photos in data/demo/photos."
    assert time.startswith("To train: 3 runs of 24 steps of lite; about ")
    # Trainings of so few steps say nothing about the speed.
    assert time.endswith("(later estimates use the speed measured on this machine).")
    assert "To train" not in finished.run("--dry-run", "all").stdout


@pytest.mark.slow
def test_two_runs_make_a_table_and_a_plot(finished: Checkout, tmp_path: Path) -> None:
    checkout = finished.copy(tmp_path / "hndesc")
    runs = {name: RUNS[name] for name in ("base", "in_pair")}
    config = overlay(tmp_path / "ablation.yaml", runs=runs, references=[])
    # batches of three, so that three processes share them
    checkout.run("ablation", "--set-resources", "train:processes=3", configfile=config)
    with open(checkout.path("results/ablation/table.csv"), newline="") as stream:
        rows = {(row["run"], row["group"], row["figure"]): row for row in csv.DictReader(stream)}
    assert {run for run, *_ in rows} == set(runs)
    score = json.loads(checkout.path("results/scores/hpatches/in_pair.seed0.json").read_text())
    shown = rows["in_pair", "MMA@3 px", "avg"]
    assert float(shown["mean"]) == pytest.approx(score["figures"]["mma"]["3"]["avg"], abs=1e-4)
    assert shown["changes"] == "loss.negatives = in_pair"
    assert rows["base", "MMA@3 px", "avg"]["mean"] != shown["mean"]
    assert "in_pair  loss.negatives = in_pair" in checkout.path("results/ablation/table.txt").read_text()
    assert checkout.path("results/ablation/plot.png").stat().st_size > 5000
    page = check_page(checkout.path("results/ablation/index.html").read_text(encoding="utf-8"))
    assert [title for _, title in page.headings] == ["Results: ablation", "Ablation", "Settings and versions"]
    assert len(page.attributes("img", "alt")) == 1 and "in_pair  loss.negatives = in_pair" in page.text
    card = json.loads(checkout.path("results/ablation/in_pair/seed0/model.json").read_text())
    assert card["settings"]["loss"]["negatives"] == "in_pair"
    assert "training in 3 processes" in checkout.path("results/logs/train/ablation/in_pair/seed0.log").read_text()
