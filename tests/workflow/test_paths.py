"""Every path that a configuration names exists or is made by a rule, else one line names key, path and cure."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from hndesc.errors import HndescError
from hndesc.workflow.config import Config, read_config
from hndesc.workflow.paths import check_descriptors, check_paths, named_paths

BASE = {
    "seed": 0,
    "photos": "photos",
    "styles": "photos",
    "keypoints": {"detector": "sift"},
    "stylization": {"method": "local"},
    "neighbors": {},
    "training": {"weights": "imagenet"},
    "ablation": {"runs": {"base": {}, "gone": None}},
    "descriptors": ["sift"],
    "benchmarks": [],
}
LOCALIZATION = {"name": "b", "kind": "localization", "dataset": "photos"}
SET = {"name": "b", "kind": "retrieval", "dataset": "photos"}
POINTS = {"detector": "disk", "weights": "no/such"}
WCT2 = {"method": "wct2", "weights": "no/such"}
CASES: dict[str, tuple[dict, str]] = {
    "photos": ({"photos": "no/such"}, "folder"),
    "styles": ({"styles": "no/such"}, "folder"),
    "split.photos": ({"split": {"name": "x", "photos": ["photos", "no/such"]}}, "folder"),
    "keypoints.weights": ({"keypoints": POINTS}, "file"),
    "stylization.weights": ({"stylization": WCT2}, "folder"),
    "stylization.methods.wct2.weights": (
        {"stylization": {"method": "mixed", "methods": {"local": None, "wct2": {"weights": "no/such"}}}},
        "folder",
    ),
    "training.weights": ({"training": {"weights": "no/such"}}, "file"),
    "ablation.runs.r.training.weights": ({"ablation": {"runs": {"r": {"training": {"weights": "no/such"}}}}}, "file"),
    "ablation.runs.r.stylization.weights": ({"ablation": {"runs": {"r": {"stylization": WCT2}}}}, "folder"),
    "descriptors (d): weights": ({"descriptors": [{"name": "d", "descriptor": "disk", "weights": "no/such"}]}, "file"),
    "descriptors (d): keypoints.weights": (
        {"descriptors": [{"name": "d", "descriptor": "disk", "keypoints": POINTS}]},
        "file",
    ),
    "benchmarks (b): dataset": ({"benchmarks": [SET | {"dataset": "no/such"}]}, "folder"),
    "benchmarks (b): distractors": ({"benchmarks": [SET | {"distractors": "no/such"}]}, "folder"),
    "benchmarks (b): shortlist.ranking": ({"benchmarks": [SET | {"shortlist": {"ranking": "no/such"}}]}, "file"),
    "benchmarks (b): shortlist.weights": ({"benchmarks": [SET | {"shortlist": {"weights": "no/such"}}]}, "file"),
    "benchmarks (b): settings.pairs.lists": (
        {"benchmarks": [LOCALIZATION | {"settings": {"pairs": {"lists": ["photos/1.png", "no/such"]}}}]},
        "file",
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").touch()
    return tmp_path


def config(changes: Mapping) -> Config:
    return read_config(BASE | dict(changes), {})


def check(changes: Mapping, made: tuple[str, ...] = (), registered: Mapping[str, str] | None = None) -> None:
    check_paths(named_paths(config(changes), ["trained"]), registered or {}, lambda path: path in made)


@pytest.mark.parametrize(("key", "changes", "kind"), [(key, *case) for key, case in CASES.items()], ids=CASES)
def test_what_is_missing_is_named(folder: Path, key: str, changes: dict, kind: str) -> None:
    with pytest.raises(HndescError) as missing:
        check(changes)
    assert str(missing.value).startswith(f"config key {key}: there is no {kind} 'no/such'; ")
    assert "\n" not in str(missing.value)
    check(changes, made=("no/such",))
    place = folder / "no" / "such"
    place.parent.mkdir()
    place.mkdir() if kind == "file" else place.touch()
    with pytest.raises(HndescError, match=f"'no/such' is no {kind}; name a {kind}"):
        check(changes)
    place.rmdir() if kind == "file" else place.unlink()
    place.touch() if kind == "file" else place.mkdir()
    check(changes)


@pytest.mark.parametrize("path", ["results/photos/training", "results", ".", "linked", "results/../results/photos"])
def test_a_folder_that_the_workflow_writes_is_no_input(folder: Path, path: str) -> None:
    (folder / "results" / "photos" / "training").mkdir(parents=True)
    (folder / "linked").symlink_to("results/photos")
    with pytest.raises(HndescError, match=f"config key photos: '{path}' overlaps with 'results'"):
        check({"photos": path})


def test_features_and_checkpoints() -> None:
    entries = [{"name": "d", "features": "photos/{benchmark}.png"}]
    sets = [SET | {"name": "1"}, SET | {"name": "2"}]
    check({"descriptors": entries, "benchmarks": sets[:1]})
    with pytest.raises(HndescError, match=r"config key descriptors \(d\): features: there is no file 'photos/2.png'"):
        check({"descriptors": entries, "benchmarks": sets})
    with pytest.raises(HndescError, match=r"descriptors \(d\): descriptor: there is no file 'x.safetensors'"):
        check({"descriptors": [{"name": "d", "descriptor": "x.safetensors"}]})
    check({"benchmarks": [SET | {"shortlist": {"weights": "trained"}}]})


def test_a_checkpoint_needs_its_card(folder: Path) -> None:
    (folder / "x.safetensors").touch()
    entries = {"descriptors": [{"name": "d", "descriptor": "x.safetensors"}]}
    with pytest.raises(HndescError, match=r"descriptors \(d\): descriptor: there is no file 'x.json'"):
        check(entries)
    (folder / "x.json").touch()
    check(entries)


def test_cures() -> None:
    with pytest.raises(HndescError, match=r"leave the key out to fetch data/weights/disk-depth-save\.pth"):
        check({"keypoints": POINTS})
    with pytest.raises(HndescError, match="get the dataset first: hndesc datasets get megadepth"):
        check({"photos": "data/megadepth/phots"}, registered={"data/megadepth": "megadepth"})
    with pytest.raises(
        HndescError, match=r"a rule makes 'data/demo/styles': .* run 'snakemake data/demo/styles' first"
    ):
        check({"styles": "data/demo/styles/night"}, made=("data/demo/styles",))
    with pytest.raises(HndescError, match="was not fetched by hndesc; to verify it: hndesc datasets get mine"):
        check({"photos": "photos/"}, registered={"photos": "mine"})


def test_an_own_class_whose_module_is_missing() -> None:
    check_descriptors(config({"descriptors": ["sift", {"name": "x", "descriptor": "json:JSONDecoder"}]}))
    with pytest.raises(HndescError, match=r"descriptors \(x\): descriptor 'nowhere:X': there is no Python module"):
        check_descriptors(config({"descriptors": [{"name": "x", "descriptor": "nowhere:X"}]}))


def test_settings_that_a_descriptor_does_not_take() -> None:
    entry = {"name": "x", "descriptor": "trained", "settings": {"steered": False}}
    others = [
        {"name": "y", "descriptor": "superpoint", "settings": {"weights": "a.pth"}},
        {"name": "z", "features": "f.h5"},
    ]
    check_descriptors(config({"descriptors": [entry, *others]}))
    entry["settings"] = {"steerd": False}
    with pytest.raises(
        HndescError, match=r"key descriptors \(x\): .* has no setting 'steerd' \(its settings: .*steered"
    ):
        check_descriptors(config({"descriptors": [entry]}))


@pytest.mark.parametrize("way", ["direct", "link"])
def test_a_pipe_or_device_is_no_file(folder: Path, way: str) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("fifo")
    for path in ("fifo" if way == "direct" else "link", "/dev/zero"):
        with pytest.raises(HndescError, match=f"keypoints.weights: '{path}' is no file; name a file"):
            check({"keypoints": {"detector": "disk", "weights": path}})


@pytest.mark.parametrize(
    ("name", "what"), [("my {x}", "'{'"), ("{benchmark}", "'{'"), ("a\nb", r"'\\n'"), ("a\x7fb", r"'\\x7f'")]
)
def test_what_snakemake_does_not_take_for_a_path_is_refused(folder: Path, name: str, what: str) -> None:
    (folder / name).mkdir()
    with pytest.raises(HndescError, match=f"config key photos: .* holds {what}; rename the folder") as wrong:
        check({"photos": name})
    assert "\n" not in str(wrong.value)
