"""The whole chain on a tiny configuration: what comes out, and what runs again after which change."""

import csv
import json
from pathlib import Path

import pytest

from tests.fixtures.pages import check_page

from .conftest import TINY, Checkout, make_checkout

pytestmark = pytest.mark.workflow

SCORES = {"score_hpatches", "score_retrieval", "score_localization"}
HEAVY = {"demo_data", "detect_keypoints", "stylize_photos", "train", "describe_keypoints", "match_pairs", "build_map"}


@pytest.fixture
def spare(finished: Checkout, tmp_path: Path) -> Checkout:
    """A finished run that a test may spoil."""
    return finished.copy(tmp_path / "hndesc")


def overlay(path: Path, old: str, new: str) -> Path:
    """Write the tiny configuration with a change of its text."""
    text = TINY.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_every_result_is_there_and_names_where_it_came_from(finished: Checkout) -> None:
    for name, kind in (("hpatches", "hpatches"), ("retrieval", "retrieval"), ("localization", "localization")):
        result = json.loads(finished.path(f"results/{name}.json").read_text())
        assert (result["benchmark"], result["kind"]) == (name, kind)
        assert result["figures"] and result["protocol"] and result["versions"]["torch"]
        card = json.loads(finished.path("results/training/model.json").read_text())
        assert result["features"]["descriptor"]["architecture"] == card["architecture"] == "lite"
        assert (
            finished.path(f"results/{name}.txt").read_text()
            == finished.path(f"results/scores/{name}/trained.txt").read_text()
        )


def test_published_text_forms(finished: Checkout) -> None:
    hpatches = finished.path("results/hpatches.txt").read_text().splitlines()
    assert hpatches[0] == "PCK benchmark:" and hpatches[11] == "Homography benchmark:" and len(hpatches) == 16
    assert finished.path("results/retrieval.txt").read_text().startswith("mAP benchmark:\nE: ")
    queries = [
        line.split()[0].rpartition("/")[2]
        for path in finished.path("data/demo/scene/queries").glob("*_time_queries_with_intrinsics.txt")
        for line in path.read_text().splitlines()
    ]
    poses = [line.split() for line in finished.path("results/localization.txt").read_text().splitlines()]
    assert sorted(pose[0] for pose in poses) == sorted(queries) and len(set(queries)) == len(queries)
    assert {len(pose) for pose in poses} == {8}


def test_report_is_one_file_with_the_images_and_says_demo(finished: Checkout) -> None:
    report = finished.path("results/report.html").read_text()
    for piece in ("hpatches_mma.png", "training.png", "stylization.png", "scores.html", "scores are not comparable"):
        assert piece in report
    assert "Its scores are not comparable with published ones" in finished.path("results/summary.txt").read_text()


def test_the_page_is_one_file_with_the_sections_of_the_configuration(finished: Checkout) -> None:
    page = check_page(finished.path("results/index.html").read_text(encoding="utf-8"))
    assert [title for _, title in page.headings] == [
        *("Results", "Scores", "Image matching: hpatches", "Image retrieval: retrieval"),
        *("Visual localization: localization", "Training", "Stylized photos", "Settings and versions"),
    ]
    stems = {str(alt).rpartition(": ")[2] for alt in page.attributes("img", "alt")}
    assert stems >= {"hpatches_mma", "retrieval_retrieval", "model", "errors", "training", "stylization"}
    assert "Its scores are not comparable" in page.text and "photos: data/demo/photos" in page.text
    accuracy = json.loads(finished.path("results/hpatches.json").read_text())["figures"]["mma"]["3"]["avg"]
    assert f"MMA@3 px avg{accuracy:.3f}" in page.text


def test_training_wrote_its_course(finished: Checkout) -> None:
    with open(finished.path("results/training/history.csv"), newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert int(rows[-1]["step"]) == 24
    assert list(finished.path("results/training/state").rglob("events.out.tfevents.*"))


def test_nothing_runs_again_when_nothing_changed(finished: Checkout) -> None:
    assert finished.jobs("all") == {}


def test_one_score_needs_its_own_steps_only(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "fresh")
    assert set(checkout.jobs("results/hpatches.txt")) == {
        *("demo_data", "list_photos", "detect_keypoints", "stylize_photos", "train", "describe_keypoints"),
        *("score_hpatches", "publish", "total"),
    }


def test_a_changed_scoring_parameter_rebuilds_that_score_only(finished: Checkout, tmp_path: Path) -> None:
    changed = overlay(
        tmp_path / "changed.yaml", "max_keypoints: 500", "max_keypoints: 500, settings: {ransac_threshold: 2}"
    )
    jobs = finished.jobs("all", configfile=changed)
    assert jobs["score_hpatches"] == 2 and {"plot_mma", "page", "report"} <= jobs.keys()
    assert not (SCORES - {"score_hpatches"} | HEAVY) & set(jobs)


def test_a_changed_training_setting_retrains(finished: Checkout, tmp_path: Path) -> None:
    changed = overlay(tmp_path / "changed.yaml", "training:", "seed: 1\ntraining:")
    assert {"train", "describe_keypoints", *SCORES} <= set(finished.jobs("all", configfile=changed))


def test_editing_the_plots_redraws_and_retrains_nothing(spare: Checkout) -> None:
    spare.edit("hndesc/visualization/curves.py", "threshold (px)", "threshold (pixels)")
    jobs = spare.jobs("all")
    assert {"plot_mma", "plot_training", "page", "report"} <= set(jobs)
    assert not (HEAVY | SCORES) & set(jobs)


def test_editing_a_docstring_or_comment_runs_nothing(spare: Checkout) -> None:
    spare.edit("hndesc/training/trainer.py", '"""', '"""Words. ')
    spare.edit("hndesc/matching/matcher.py", "import numpy as np\n", "import numpy as np  # a comment\n")
    assert spare.jobs("all") == {}
    lines = spare.run("all").stdout.splitlines()  # scores and page are named all the same
    assert any("Nothing to be done" in line for line in lines)
    assert lines[-1] == "all scores and figures: results/index.html"
    assert [line.split(":")[0] for line in lines[-4:-1]] == ["hpatches", "retrieval", "localization"]


def test_editing_the_loss_retrains_but_detects_nothing_again(spare: Checkout) -> None:
    spare.edit("hndesc/training/losses.py", "import torch\n", "import torch\n\nUNUSED = 1\n")
    jobs = set(spare.jobs("all"))
    assert {"train", "describe_keypoints"} <= jobs
    assert not {"demo_data", "detect_keypoints", "stylize_photos"} & jobs


def test_editing_a_backbone_that_is_not_in_use_runs_nothing(spare: Checkout) -> None:
    spare.edit("hndesc/models/caps.py", "import torch\n", "import torch\n\nUNUSED = 1\n")
    assert spare.jobs("all") == {}


def test_editing_a_reader_runs_its_benchmark_alone(spare: Checkout) -> None:
    edit = "import numpy as np\n", "import numpy as np\n\nUNUSED = 1\n"
    spare.edit("hndesc/datasets/tokyo247.py", *edit)
    assert spare.jobs("all") == {}
    spare.edit("hndesc/datasets/homography/layouts.py", *edit)
    own = {"detect_keypoints": 1, "describe_keypoints": 2, "score_hpatches": 2, "plot_matches": 1, "plot_mma": 1}
    gathered = dict.fromkeys(("compare", "publish", "page", "report", "all"), 1)
    assert spare.jobs("all") == own | gathered | {"total": 12}


@pytest.mark.slow
def test_coarse_to_fine_training_uses_the_neighbors(spare: Checkout, tmp_path: Path) -> None:
    changed = overlay(tmp_path / "changed.yaml", "training:\n", "training:\n  loss: {negatives: in_batch_global}\n")
    spare.run("results/training/model.safetensors", configfile=changed)
    assert spare.path("results/neighbors/training.tsv").read_text().startswith("photo\tneighbor\tsimilarity\n")
    card = json.loads(spare.path("results/training/model.json").read_text())
    assert card["settings"]["loss"]["negatives"] == "in_batch_global"
