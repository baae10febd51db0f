"""What a stranger reads first agrees: license, version, changelog, contributing, citation, continuous integration."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import hndesc
from hndesc.models.bundled import DETECTOR, bundled_models
from hndesc.models.checkpoint import read_card
from hndesc.models.keypoint_network import read_detector_card
from hndesc.models.release import detector_summary, summary

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]


def test_the_license_is_the_same_everywhere() -> None:
    assert PROJECT["license"] == CITATION["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n\nCopyright (c) 2026 hndesc authors\n")
    assert PROJECT["license-files"] == ["LICENSE"]


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_states_its_license(name: str) -> None:
    path = bundled_models()[name]
    license = read_card(path)["about"]["license"]
    assert license.startswith(("MIT", "research use only"))
    assert f"license: {license}\n" in summary(path)
    assert f"| License | {license} |" in (ROOT / "docs" / "models" / f"{name}.md").read_text()


def test_weights_name_the_photographs_that_they_were_trained_on_with_licenses() -> None:
    told = {name: (read_card(path)["about"]["data"], summary(path)) for name, path in bundled_models().items()}
    told["detector"] = (read_detector_card(DETECTOR)["data"], detector_summary(DETECTOR))
    for name, (data, text) in told.items():
        words = " ".join(text.split())
        for row in data:
            assert f"{row['photos']}: {row['number']} ({row['license']})" in words, name
    card = read_detector_card(DETECTOR)
    assert sum(row["number"] for row in card["data"]) == card["photos"]


def test_the_version_is_the_same_everywhere() -> None:
    released = re.findall(
        r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert released == ["0.2.0", "0.1.0"]
    assert hndesc.__version__ == CITATION["version"] == released[0]


def test_contributing_names_files_modules_and_commands_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`((?:hndesc|tests|config|docs|envs)/[^`]*)`|\]\(([^)]*)\)", text):
        path = next(filter(None, name))
        assert "<" in path or (ROOT / path).exists(), path
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert find_spec(module)
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make ([\w-]+)", text, re.MULTILINE)) <= set(targets)


def test_continuous_integration_runs_what_there_is() -> None:
    assert JOBS.keys() >= {"lint", "tests", "wheel", "docs"}
    commands = "\n".join(step.get("run", "") for job in JOBS.values() for step in job["steps"])
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"make ([\w-]+)", commands)) <= set(targets)
    for path in re.findall(r"(?:tests|envs|docs)/[\w./]+", commands):
        assert (ROOT / path).exists(), path


# Packages whose results are sums of products, whose last bits differ between processors, and what shows that a test
# compares some of them.
NUMERIC = (
    *("descriptors", "detectors", "evaluation", "extraction", "geometry", "localization", "matching", "models"),
    *("retrieval", "stylization", "training"),
)
COMPARES = re.compile(r"approx\(|allclose|array_equal|assert_close|torch\.equal|read_bytes\(\) ==|isclose")
# Modules that compare numbers, none of which leans on rounding, or too slowly for what another test shows.
EXACT = {
    "detectors/test_small_images.py": "counts and bounds",
    "extraction/test_model.py": "descriptors by several ways, all of one processor",
    "extraction/test_pair_export.py": "tolerances far above rounding",
    "extraction/test_steerer.py": "tolerances far above rounding",
    "localization/test_database.py": "numbers through a database",
    "localization/test_photos.py": "minutes of COLMAP, which rounds alike everywhere",
    "localization/test_photos_of_cameras.py": "minutes of COLMAP, which rounds alike everywhere",
    "models/test_initial_weights.py": "numbers through files",
    "models/test_onnx_export.py": "tolerances far above rounding",
    "training/test_distributed.py": "two processes and one round alike; minutes",
    "training/test_history.py": "numbers through a file",
    "training/test_launch.py": "two processes and one round alike; minutes",
    "training/test_sources.py": "numbers through files",
    "training/test_state.py": "numbers through a file",
    "training/test_train.py": "the same weights from several runs, all of one processor",
}


def test_modules_that_lean_on_rounding_are_repeated_on_other_processors() -> None:
    """`make test-all` repeats the modules of tests/numeric.txt with the arithmetic of other processors."""
    repeated = [ROOT / line for line in (ROOT / "tests" / "numeric.txt").read_text().split()]
    assert all(path.exists() for path in repeated) and repeated == sorted(set(repeated))
    left = set()
    for package in NUMERIC:
        for path in (ROOT / "tests" / package).rglob("test_*.py"):
            if COMPARES.search(path.read_text()) and not {path, *path.parents} & set(repeated):
                left.add(path.relative_to(ROOT / "tests").as_posix())
    assert left == EXACT.keys(), "a module that compares numbers belongs into tests/numeric.txt"
