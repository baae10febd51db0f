"""A wrong configuration is one clear line before anything runs."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from hndesc.errors import HndescError
from hndesc.workflow.config import _FOLDERS, read_config, read_files

from .conftest import ROOT, Checkout, make_checkout
from .planning import default_config, laid_over, plan_of

HPATCHES = {"name": "hpatches", "kind": "hpatches", "dataset": "data/demo/sequences"}
LOCALIZATION = {"name": "scene", "kind": "localization", "dataset": "data/demo/scene"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return make_checkout(tmp_path_factory.mktemp("config") / "hndesc")


WRONG = [
    ({"fotos": "x"}, "'fotos' is unknown; did you mean 'photos'?; known here: run, seed, datasets, split, photos"),
    ({"training": {"stepz": 3}}, "'training.stepz' is unknown; did you mean 'steps'?; known here: architecture, "),
    ({"training": {"seed": 3}}, "'training.seed' is unknown; "),
    ({"training": {"steps": 0}}, "'training.steps' must be greater than or equal to 1, not 0"),
    ({"training": {"loss": {"kind": "l2"}}}, "'training.loss.kind' is 'l2'; choose one of: ap, triplet, contrastive"),
    ({"keypoints": {"detector": "orb"}}, "'keypoints.detector' is 'orb'; choose one of: aliked, disk, hndesc, r2d2, "),
    ({"keypoints": {"detector": "SIFT"}}, "'keypoints.detector' is 'SIFT'; choose one of: "),
    ({"keypoints": {"threshold": 0.1}}, "'keypoints.threshold' is unknown; did you mean 'contrast_threshold'?; known"),
    ({"keypoints": {"weights": "x"}}, "'keypoints.weights' must be None, not 'x'"),
    ({"descriptors": []}, "'descriptors' must have at least 1 item"),
    ({"descriptors": ["trained", "hog"]}, "'descriptors[1]' is 'hog'; choose one of: trained, untrained, aliked, "),
    ({"descriptors": ["hndesc-lit"]}, "'descriptors[0]' is 'hndesc-lit'; did you mean 'hndesc-lite'?; choose one of"),
    ({"descriptors": ["sift", "sift"]}, "'descriptors' has two entries named 'sift'; rename one"),
    ({"descriptors": [{"name": "x"}]}, "'descriptors[0].name' is 'x', which is no descriptor; give the entry a key de"),
    ({"descriptors": [{"name": "x", "descriptor": "y"}]}, "'descriptors[0].descriptor' is 'y'; choose one of: "),
    (
        {"descriptors": [{"name": "x", "features": "y", "weights": "z"}]},
        "'descriptors[0].weights' has no effect together with features; remove it",
    ),
    (
        {"descriptors": [{"name": "x", "descriptor": "sift", "keypoints": {"detector": "sift", "bordr": 3}}]},
        "'descriptors[0].keypoints.bordr' is unknown; did you mean 'border'?; known here: detector, ",
    ),
    ({"split": {"name": "demo", "photos": "x"}}, "'split.name' must not be 'demo', the demo's own folder; "),
    ({"split": {"name": "x", "photos": "y", "share": 1}}, "'split.share' must be less than 1, not 1"),
    ({"benchmarks": [HPATCHES | {"kind": "x"}]}, "'benchmarks[0].kind' is 'x'; choose one of: hpatches, "),
    ({"benchmarks": [{"name": "x"}]}, "'benchmarks[0].kind' must be given"),
    ({"benchmarks": [HPATCHES, {"name": "x", "kind": "hpatches"}]}, "'benchmarks[1].dataset' must be given"),
    ({"benchmarks": [HPATCHES | {"settings": {"x": 1}}]}, "'benchmarks[0].settings.x' is unknown; known here: estim"),
    (
        {"benchmarks": [LOCALIZATION | {"settings": {"registration": {"min_inlier": 9}}}]},
        "'benchmarks[0].settings.registration.min_inlier' is unknown; did you mean 'min_inliers'?; known here: ",
    ),
    (
        {"benchmarks": [LOCALIZATION | {"settings": {"registration": {"method": "registration", "max_error": 9}}}]},
        "'benchmarks[0].settings.registration.max_error' is unknown; ",
    ),
    (
        {"benchmarks": [LOCALIZATION | {"settings": {"registration": {"method": "p3p"}}}]},
        "'benchmarks[0].settings.registration.method' is 'p3p'; did you mean 'pnp'?; choose one of: pnp, registration",
    ),
    (
        {"benchmarks": [HPATCHES | {"settings": {"estimator": ["ransac", "lmeds"]}}]},
        "'benchmarks[0].settings.estimator[1]' is 'lmeds'; choose one of: ransac, magsac, poselib",
    ),
    ({"benchmarks": [HPATCHES, HPATCHES]}, "'benchmarks' has two entries named 'hpatches'; rename one"),
    ({"benchmarks": [HPATCHES | {"name": "training"}]}, "'benchmarks' must not have an entry named 'training'"),
    ({"benchmarks": [HPATCHES | {"name": "summary"}]}, "'benchmarks' must not have an entry named 'summary'"),
    ({"benchmarks": [HPATCHES | {"name": "one"}, HPATCHES | {"name": "ONE"}]}, "'benchmarks'"),
    ({"descriptors": ["sift", {"name": "SIFT", "descriptor": "sift"}]}, "'descriptors'"),
    ({"benchmarks": [HPATCHES | {"name": "a b"}]}, "'benchmarks[0].name' is 'a b'; a name has letters, digits, "),
    ({"stylization": {"method": "mixed", "methods": {}}}, "'stylization.methods' must name at least one method"),
    ({"stylization": {"method": "relighting", "gain": [1, 2]}}, "'stylization.gain' is unknown; "),
    ({"ablation": {"runs": {"x": {"training": {"stepz": 3}}}}}, "'ablation.runs.x.training.stepz' is unknown; did you"),
    ({"ablation": {"runs": {"x": {"stylization": {"method": "magic"}}}}}, "'ablation.runs.x.stylization.method' is"),
    ({"ablation": {"runs": {"a/b": {}}}}, "'ablation.runs.a/b' is 'a/b'; a name has letters, digits, - and _ only"),
    ({"ablation": {"runs": {False: {}}}}, "must be a valid string, not False; YAML reads on, off, yes and no so"),
    ({"ablation": {"benchmarks": ["retrieval"]}}, "'ablation.benchmarks' has 'retrieval', and no benchmark of the k"),
    ({"seed": 10**30}, "'seed' must be less than or equal to 2147483647, not 1000000"),
    (
        {"benchmarks": [HPATCHES | {"settings": {"iterations": 2**31}}]},
        "iterations' must be less than or equal to 2147",
    ),
    ({"benchmarks": [HPATCHES | {"shards": 10**9}]}, "'benchmarks[0].shards' must be less than or equal to 10000, not"),
    ({"benchmarks": [HPATCHES | {"name": "x" * 65}]}, "'benchmarks[0].name' is 'xxx"),
    ({"descriptors": ["\udc80"]}, r"'descriptors[0]' is '\udc80'; choose one of: "),
    ({"keypoints": {"detector": "x" * 9000}}, "'keypoints.detector' is 'xxx"),
    ({"y" * 9000: 1}, "yyy...' is unknown; known here: run, seed"),
    ({"run": "training_runs"}, "'run' must not be 'training_runs', a folder of the run without a name"),
    ({"run": "Figures"}, "'run' must not be 'Figures', a folder of the run without a name"),
    ({"seed": "1"}, "'seed' must be a valid integer, not '1'"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message[:50] for _, message in WRONG])
def test_wrong_key_or_value_is_named(changes: dict, message: str) -> None:
    ablation = yaml.safe_load((ROOT / "config" / "ablations.yaml").read_text())["ablation"]
    with pytest.raises(HndescError) as wrong:
        read_config(laid_over(default_config(), changes), ablation)
    text = str(wrong.value)
    assert text.startswith("config key ") and message in text and "\n" not in text, text
    assert "function" not in text and "[key]" not in text and len(text) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "training: {steps: 3}\nseed: 1\ntraining: {batch_size: 2}\n",
            "the key 'training' is in lines 1 and 3; take one",
        ),
        ("- seed\n", "not a section of settings"),
        ("", "not a section of settings"),
        ("a: [", "not YAML"),
        (b"a: \xff", "not UTF-8; save this configuration as UTF-8 text"),
        ("seed: 1\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_files_of_which_something_would_be_lost_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(HndescError) as wrong:
        read_files([path])
    assert str(wrong.value).startswith(f"{path}: {message}")


def configurations() -> list[Path]:
    return sorted((ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", configurations(), ids=[path.stem for path in configurations()])
def test_the_configurations_of_the_package_are_right(path: Path) -> None:
    ablation = yaml.safe_load((ROOT / "config" / "ablations.yaml").read_text())["ablation"]
    read = read_config(laid_over(default_config(), yaml.safe_load(path.read_text())), ablation)
    assert set(ablation["runs"]) <= set(read.ablation.runs) or "ablation" in yaml.safe_load(path.read_text())


def test_settings_of_one_loss_go_with_the_ablation_of_the_paper() -> None:
    plan_of(training={"loss": {"kind": "contrastive", "ring": {"number": 4}}})


def test_folders_of_the_run_without_a_name_are_no_names_of_runs() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    folders = set(re.findall(r"<(?:results|shared)>/(\w+)/", rules))
    assert len(folders) > 10 and folders <= set(_FOLDERS)


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"training": {"stepz": 3}}, "config key 'training.stepz' is unknown; did you mean 'steps'?; known here: arch"),
        ({"photos": "no/such/folder"}, "config key photos: there is no folder 'no/such/folder'"),
    ],
)
def test_a_run_is_refused_before_anything_happens(
    checkout: Checkout, tmp_path: Path, config: dict, message: str
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(config))
    done = checkout.run("all", configfile=path, check=False)
    assert done.returncode != 0
    assert message in done.stdout, done.stdout[-2000:]
    assert not checkout.path("data").exists()


@pytest.mark.workflow
@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_configuration_that_is_not_utf_8_is_named(checkout: Checkout, tmp_path: Path, encoding: str) -> None:
    spare = checkout.copy(tmp_path / "spare")
    path = spare.path("config/config.yaml")
    path.write_bytes(f"# cafés\n{path.read_text()}".encode(encoding, "replace"))
    done = spare.run("--dry-run", configfile=None, check=False)
    assert done.returncode == 1 and "config.yaml: not UTF-8; save this configuration as UTF-8 text" in done.stdout


@pytest.mark.workflow
def test_what_an_older_run_left_hides_no_missing_file(checkout: Checkout, tmp_path: Path) -> None:
    for name in ("hpatches.txt", "scores/hpatches/x.txt", "features/hpatches/x.h5", "summary.txt"):
        path = checkout.path("results") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("descriptors: [{name: x, features: 'no/{benchmark}.h5'}]\n")
    message = "config key descriptors (x): features: there is no file 'no/hpatches.h5'; correct the path"
    for arguments in (("results/hpatches.txt",), ("results/summary.txt", "--dry-run")):
        done = checkout.run(*arguments, configfile=overlay, check=False)
        assert done.returncode != 0 and message in done.stdout, done.stdout[-2000:]
    shutil.rmtree(checkout.path("results"))
