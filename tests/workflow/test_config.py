"""A wrong configuration is one clear line before anything runs."""

import re
import shutil
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from hndesc.training.settings import TrainingSettings

from .conftest import ROOT, Checkout, make_checkout

pytestmark = pytest.mark.workflow

HPATCHES = {"name": "hpatches", "kind": "hpatches", "dataset": "data/demo/sequences"}
LOCALIZATION = {"name": "scene", "kind": "localization", "dataset": "data/demo/scene"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return make_checkout(tmp_path_factory.mktemp("config") / "hndesc")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"fotos": "x"}, "config key at the top: .*'fotos' was unexpected.*known keys: .*photos"),
        ({"training": {"stepz": 3}}, "config key training: .*'stepz' was unexpected.*known keys: .*steps"),
        ({"training": {"steps": 0}}, "config key training.steps: 0 is less than the minimum"),
        ({"training": {"loss": {"kind": "l2"}}}, "config key training.loss.kind: 'l2' is not one of"),
        ({"keypoints": {"detector": "orb"}}, "config key keypoints.detector: 'orb' is not one of"),
        ({"keypoints": {"threshold": 0.1}}, "config key keypoints: 'threshold' is not one of"),
        ({"descriptors": ["trained", "hog"]}, r"config key descriptors\[1\]: 'hog' is not one of"),
        ({"descriptors": ["hndesc-none"]}, "config key descriptors: 'hndesc-none' is no descriptor"),
        ({"split": {"name": "demo", "photos": "x"}}, "config key split.name: 'demo' should not be valid"),
        ({"split": {"name": "own", "photos": "no/such"}, "photos": "data/own/training"}, "split.photos: .*no/such"),
        ({"benchmarks": [HPATCHES | {"kind": "x"}]}, r"config key benchmarks\[0\].kind: 'x' is not one of"),
        ({"benchmarks": [HPATCHES | {"settings": {"x": 1}}]}, r"benchmarks\[0\].settings: .*'x' was unexpected"),
        (
            {"benchmarks": [LOCALIZATION | {"settings": {"registration": {"min_inlier": 9}}}]},
            r"benchmarks\[0\].settings.registration: .*'min_inlier' was unexpected\).*max_error, min_inliers",
        ),
        (
            {"benchmarks": [LOCALIZATION | {"settings": {"registration": {"method": "registration", "max_error": 9}}}]},
            r"benchmarks\[0\].settings.registration: .*'max_error' was unexpected\).*min_num_matches",
        ),
        (
            {"benchmarks": [LOCALIZATION | {"settings": {"registration": {"method": "p3p"}}}]},
            r"benchmarks\[0\].settings.registration.method: 'p3p' is not one of \['pnp', 'registration'\]",
        ),
        (
            {"benchmarks": [LOCALIZATION | {"settings": {"registration": {"method": "pnp", "min_inliers": 0}}}]},
            r"benchmarks\[0\].settings.registration.min_inliers: 0 is less than the minimum of 1",
        ),
        (
            {"benchmarks": [HPATCHES | {"settings": {"estimator": "lmeds"}}]},
            r"benchmarks\[0\].settings.estimator: 'lmeds' is not one of \['ransac', 'magsac', 'poselib'\]",
        ),
        ({"benchmarks": [HPATCHES, HPATCHES]}, "config key benchmarks: two entries have the same name"),
        ({"benchmarks": [HPATCHES | {"name": "training"}]}, "config key benchmarks: the name 'training' is taken"),
        (
            {"ablation": {"runs": {"x": {"training": {"stepz": 3}}}}},
            r"config key ablation.runs.x.training: .*'stepz' was unexpected.*known keys: .*steps",
        ),
        (
            {"ablation": {"runs": {"x": {"stylization": {"method": "magic"}}}}},
            "config key ablation.runs.x.stylization.method: 'magic' is not one of",
        ),
        ({"ablation": {"runs": {"a/b": {}}}}, "config key ablation.runs: 'a/b' does not match"),
        ({"ablation": {"benchmarks": ["retrieval"]}}, "ablation.benchmarks: no benchmark .* is called 'retrieval'"),
        ({"photos": "no/such/folder"}, "config key photos: there is no folder 'no/such/folder'"),
    ],
)
def test_wrong_key_or_value_is_named(checkout: Checkout, tmp_path: Path, config: dict, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(config))
    done = checkout.run("all", configfile=path, check=False)
    assert done.returncode != 0
    assert re.search(message, done.stdout), done.stdout[-2000:]
    assert not checkout.path("data").exists()


def test_what_an_older_run_left_hides_no_missing_file(checkout: Checkout, tmp_path: Path) -> None:
    for name in ("hpatches.txt", "scores/hpatches/x.txt", "features/hpatches/x.h5", "summary.txt"):
        path = checkout.path("results") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("descriptors: [{name: x, features: 'no/{benchmark}.h5'}]\n")
    message = "config key descriptors (x): features: there is no file 'no/hpatches.h5'; correct the path"
    for target in ("results/hpatches.txt", "results/summary.txt"):
        for arguments in ((target,), (target, "--dry-run")):
            done = checkout.run(*arguments, configfile=overlay, check=False)
            assert done.returncode != 0 and message in done.stdout, done.stdout[-2000:]
    shutil.rmtree(checkout.path("results"))


def test_schema_knows_every_training_setting_and_no_other() -> None:
    def keys(kind: type) -> dict:
        hints = get_type_hints(kind)
        return {f.name: keys(hints[f.name]) if is_dataclass(hints[f.name]) else None for f in fields(kind)}

    def known(schema: dict) -> dict:
        return {name: known(one) if "properties" in one else None for name, one in schema["properties"].items()}

    schema = yaml.safe_load((ROOT / "config" / "schema.yaml").read_text())
    expected = keys(TrainingSettings)
    del expected["seed"]  # one seed for the whole workflow
    assert known(schema["$defs"]["training"]) == expected
