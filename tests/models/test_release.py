"""Cards and pages of bundled models: every figure comes from a result of that very file."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from hndesc.cli.main import main
from hndesc.errors import HndescError
from hndesc.models import bundled
from hndesc.models.bundled import FOLDER, bundled_models
from hndesc.models.checkpoint import load_checkpoint, read_card, save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.release import page, release_model, summary
from hndesc.runtime.provenance import file_hash

ABOUT = {
    "summary": "A model that tests make.",
    "data": [{"photos": "noise", "number": 3, "license": "CC0"}],
    "license": "MIT",
    "hardware": "one CPU core",
    "hours": 0.25,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "model.safetensors"
    card = {"settings": {"steps": 700, "loss": {"k": 20}}, "data": {}, "seed": 6, "metrics": {"step": 600}}
    model = build_model("lite", "random", seed=6)
    model.steerer = torch.eye(model.dim)
    save_checkpoint(path, model, card | {"steerer": {"photos": 9}})
    return path


def write_score(path: Path, descriptor: dict, mma: tuple, benchmark: str = "test", protocol: str = "P.") -> Path:
    figures = {
        "mma": {"3": dict(zip(("v", "i", "avg", "all"), mma, strict=True))},
        "homography_accuracy": {"3": {"v": 0.1, "i": 0.9, "all": 0.123456}},
    }
    result = {
        "benchmark": benchmark,
        "kind": "hpatches",
        "protocol": protocol,
        "sequences": {"v": 25, "i": 33, "": 0},
        "figures": figures,
        "features": {"descriptor": descriptor, "detector": {"name": "superpoint", "max_keypoints": None}},
    }
    path.write_text(json.dumps(result))
    return path


@pytest.fixture
def scores(checkpoint: Path, tmp_path: Path) -> list[Path]:
    own = {"name": "model", "sha256": file_hash(checkpoint)}
    return [
        write_score(tmp_path / "own.json", own, (0.51249, 0.7, 0.6, 0.6)),
        write_score(tmp_path / "other.json", {"name": "disk"}, (0.3, None, 0.4, 0.4)),
    ]


@pytest.fixture
def about(tmp_path: Path) -> Path:
    path = tmp_path / "about.yaml"
    path.write_text(yaml.safe_dump(ABOUT))
    return path


def test_a_shipped_model_is_the_trained_one_with_a_full_card(
    checkpoint: Path, about: Path, scores: list[Path], tmp_path: Path
) -> None:
    release_model(checkpoint, "hndesc-tiny", about, scores, tmp_path / "box", tmp_path / "pages")
    path = tmp_path / "box" / "hndesc-tiny.safetensors"
    model, card = load_checkpoint(path)
    expected = load_checkpoint(checkpoint)[0].state_dict()
    assert all((model.state_dict()[name] == values).all() for name, values in expected.items())
    assert card["about"] == ABOUT and card["seed"] == 6 and card["trained_file"] == file_hash(checkpoint)
    assert card["parameters"] == sum(values.numel() for values in model.parameters())
    assert json.loads(path.with_suffix(".json").read_text()) == card
    assert (tmp_path / "pages" / "hndesc-tiny.md").read_text() == page(path)


def test_the_page_shows_what_the_card_holds(checkpoint: Path, about: Path, scores: list[Path], tmp_path: Path) -> None:
    release_model(checkpoint, "hndesc-tiny", about, scores, tmp_path, tmp_path)
    text = (tmp_path / "hndesc-tiny.md").read_text()
    assert "| **hndesc-tiny** | superpoint | **0.512** | **0.700** | **0.600** | **0.123** |" in text
    assert "| disk | superpoint | 0.300 | - | 0.400 | 0.123 |" in text
    assert text.index("| disk") < text.index("| **hndesc-tiny")  # the better one comes later
    for fact in (
        "| noise | 3 | CC0 |",
        "600 steps, 0.25 h on one CPU core",
        "steps: 700",
        "25 sequences",
        "| Seed | 6 |",
    ):
        assert fact in text
    assert "test: MMA@3 v/i/avg 0.512/0.700/0.600 (keypoints: superpoint)" in summary(
        tmp_path / "hndesc-tiny.safetensors"
    )


def test_the_page_shows_the_fair_comparison_where_results_have_it(
    checkpoint: Path, about: Path, scores: list[Path], tmp_path: Path
) -> None:
    result = json.loads(scores[0].read_text())
    kinds = {"v": 0.4, "i": 0.5, "all": 0.45}
    area = {"5": kinds}
    result["figures"] |= {"near_misses": kinds, "correct_matches": {"v": 1, "i": 3, "all": 812.6}}
    result["figures"] |= {"homography_auc_mean": area, "homography_auc_deviation": {"5": {"all": 0.0123}}}
    result["figures"]["estimators"] = {"poselib": {"homography_auc": area}}
    scores[0].write_text(json.dumps(result))
    known = {scores[0]: {"v": 0.7, "i": 0.9, "avg": 0.8, "all": 0.81}}
    release_model(checkpoint, "hndesc-tiny", about, scores, tmp_path, tmp_path, known)
    text = (tmp_path / "hndesc-tiny.md").read_text()
    heads = "MMA@3 at equal yield | correct matches | near misses | AUC@5 PoseLib v | AUC@5 PoseLib i"
    assert heads in text and "average precision" not in text
    own = (0.8, 3), (812.6, 0), (0.45, 3), (0.4, 3), (0.5, 3), (0.45, 3)
    shown = " | ".join(f"**{value:.{digits}f}**" for value, digits in own)
    assert f"| **0.123** | {shown} | **0.450 ± 0.012** |" in text
    assert "| disk | superpoint | 0.300 | - | 0.400 | 0.123 | - | - | - | - | - | - | - |" in text


def test_scores_of_another_file_are_refused(checkpoint: Path, about: Path, scores: list[Path], tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="no result of this file on test"):
        release_model(checkpoint, "x", about, scores[1:], tmp_path, tmp_path)
    more = write_score(tmp_path / "more.json", {"name": "disk"}, (0.3, 0.4, 0.4, 0.4), benchmark="second")
    with pytest.raises(HndescError, match="no result of this file on second"):
        release_model(checkpoint, "x", about, [*scores, more], tmp_path, tmp_path)
    assert not list(tmp_path.glob("x.*"))


def test_results_of_different_protocols_are_not_compared(
    checkpoint: Path, about: Path, scores: list[Path], tmp_path: Path
) -> None:
    other = write_score(tmp_path / "p.json", {"name": "disk"}, (0.3, 0.4, 0.4, 0.4), protocol="Another.")
    with pytest.raises(HndescError, match="differ in 'protocol'"):
        release_model(checkpoint, "x", about, [*scores, other], tmp_path, tmp_path)


@pytest.mark.parametrize("left_out", sorted(ABOUT))
def test_nothing_may_be_left_unsaid(checkpoint: Path, scores: list[Path], tmp_path: Path, left_out: str) -> None:
    path = tmp_path / "about.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in ABOUT.items() if key != left_out}))
    with pytest.raises(HndescError, match="exactly the keys summary, data, license"):
        release_model(checkpoint, "x", path, scores, tmp_path, tmp_path)


def test_another_kind_of_result(checkpoint: Path, about: Path, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps({"kind": "retrieval", "figures": {}, "features": {}}))
    with pytest.raises(HndescError, match=r"r\.json: not a result of an HPatches-like benchmark"):
        release_model(checkpoint, "x", about, [tmp_path / "r.json"], tmp_path, tmp_path)


@pytest.mark.parametrize("figures", [{}, {"mma": {}}, {"mma": {"3": {"v": 0.1}}}, {"mma": {"3": None}}, None])
def test_results_without_the_figures(checkpoint: Path, about: Path, figures: object, tmp_path: Path) -> None:
    result = {"benchmark": "x", "sequences": {}, "protocol": "P.", "features": {}, "figures": figures}
    (tmp_path / "r.json").write_text(json.dumps(result))
    with pytest.raises(HndescError, match=r"r\.json: not a result of an HPatches-like benchmark"):
        release_model(checkpoint, "x", about, [tmp_path / "r.json"], tmp_path, tmp_path)


ROW = {"this": True, "benchmark": "x", "sequences": {}, "protocol": "P.", "mma": {"v": 0.1}, "keypoints": {}}


@pytest.mark.parametrize(
    ("card", "what"),
    [
        ({}, "'about' is missing"),
        ({"about": ABOUT}, "'scores' is missing"),
        ({"about": {}, "scores": []}, "'license' is missing"),
        ({"about": ABOUT, "scores": [{}]}, "'this' is missing"),
        ({"about": ABOUT, "scores": [3]}, "not subscriptable"),
        ({"about": ABOUT, "scores": [ROW]}, "'i' is missing"),
        ({"about": ABOUT, "scores": [ROW | {"mma": {"v": "high", "i": 0.0, "avg": 0.0}}]}, "format code"),
    ],
)
def test_a_model_without_the_card_of_a_release_is_skipped_by_name(
    card: dict, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, build_model("lite", "random"), card)
    shutil.copyfile(next(iter(sorted(FOLDER.glob("*.safetensors")))), tmp_path / "b.safetensors")
    with pytest.raises(HndescError, match=f"its card is not that of a released model .*{what}.*hndesc release"):
        summary(path)
    with pytest.raises(HndescError, match="its card is not that of a released model"):
        page(path)
    main(["models", "--pages", str(tmp_path / "pages")])
    shown = capfd.readouterr()
    assert f"left out: {path}: its card" in shown.err and shown.out.startswith("b: ")
    assert [found.name for found in (tmp_path / "pages").iterdir()] == ["b.md"]


@pytest.mark.parametrize("name", ["../x", "x/y", "/x", "..", "a b", "-x", ""])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="a name of a model has letters, digits, - and _ only"):
        release_model(tmp_path / "m.safetensors", name, tmp_path / "a", [], tmp_path / "models", tmp_path / "pages")
    assert not list(tmp_path.iterdir())


def test_pages_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        main(["models", "--pages", str(tmp_path / "file")])
    assert ended.value.code == 1


def test_pages_and_cards_of_bundled_models_are_up_to_date() -> None:
    pages = FOLDER.parents[2] / "docs" / "models"
    for name, path in bundled_models().items():
        assert (pages / f"{name}.md").read_text() == page(path), f"run: hndesc models --pages {pages.name}"
        beside = json.loads(path.with_suffix(".json").read_text())
        assert beside.pop("sha256", file_hash(path)) == file_hash(path)
        assert beside == read_card(path)
        assert path.stat().st_size <= 4e6


@pytest.mark.parametrize("kind", ["FIFO", "folder", "deep", "no UTF-8", "no list", "aliases"])
def test_what_says_nothing_about_a_model(checkpoint: Path, scores: list[Path], tmp_path: Path, kind: str) -> None:
    path = tmp_path / "about.yaml"
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        nothing = {"deep": b"[" * 20_000, "no UTF-8": b"\xff", "aliases": b"a: &a [*a]"}
        path.write_bytes(nothing.get(kind) or yaml.safe_dump(ABOUT | {"data": 3}).encode())
    with pytest.raises(HndescError, match=r"about\.yaml: "):
        release_model(checkpoint, "x", path, scores, tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["../x", "", ".x", "a/b", "a b", "x\n"])
def test_what_is_no_name_of_a_model(
    checkpoint: Path, about: Path, scores: list[Path], tmp_path: Path, name: str
) -> None:
    with pytest.raises(HndescError, match="a name of a model has letters"):
        release_model(checkpoint, name, about, scores, tmp_path / "box", tmp_path)
    assert not (tmp_path / "x.safetensors").exists()
