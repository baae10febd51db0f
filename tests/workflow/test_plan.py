"""What a run asks for, and what of it is there already."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from hndesc.errors import HndescError
from hndesc.workflow.plan import pattern

from .conftest import ROOT
from .planning import plan_of


def test_planning_imports_nothing_of_snakemake_and_no_torch() -> None:
    code = "import sys, hndesc.workflow.plan; print(sorted({'snakemake', 'torch', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "snakemake" not in done.stdout and "torch" not in done.stdout


_IMPORTS = """
import ast, pathlib, sys
for name in sys.argv[1:]:
    body = ast.parse(pathlib.Path(name).read_text()).body
    imports = [line for line in body if isinstance(line, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), name, "exec"))
print(*sorted({"torch", "matplotlib", "pandas", "snakemake"} & set(sys.modules)))
"""


def imported_by(scripts: Iterable[Path]) -> list[str]:
    command = [sys.executable, "-c", _IMPORTS, *map(str, scripts)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.split()


def test_scripts_of_jobs_start_with_what_they_need() -> None:
    """Importing torch takes longer than most jobs of the demo, and drawing is of few."""
    scripts = sorted((ROOT / "workflow_scripts").glob("*.py"))
    drawing = {path for path in scripts if "hndesc.visualization" in path.read_text()}
    training = {path for path in scripts if "hndesc.training" in path.read_text()}
    assert imported_by(path for path in scripts if path not in drawing | training) == []
    assert imported_by(drawing) == ["matplotlib", "pandas"]
    assert {path.name for path in training} == {"train.py", "train_detector.py"}


def test_pattern() -> None:
    assert pattern(["a.b", "c"]) == r"a\.b|c" and pattern([]) == "(?!)"


def test_figures() -> None:
    assert plan_of().figures == [
        f"results/{name}"
        for name in (
            *("tables/scores.html", "tables/scores.csv", "summary.txt"),
            *("figures/hpatches_mma.png", "figures/hpatches_matches", "figures/retrieval_retrieval.jpg"),
            "figures/localization_localization",
            *("figures/training.png", "figures/training_matches.png", "figures/training_similarities.png"),
            "figures/stylization.png",
        )
    ]
    assert plan_of(descriptors=["sift"], benchmarks=[]).figures == []
    assert "results/figures/stylization.png" not in plan_of(training={"stylized_probability": 0}).figures


def test_the_demo_says_so() -> None:
    assert plan_of().note.startswith("Demo: ")
    assert plan_of(photos="mine").note == ""


def test_what_is_there_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = plan_of()
    assert "megadepth" in plan.to_fetch("data/") and "superpoint_v1.pth" in plan.to_fetch("data/weights/")
    (tmp_path / "data" / "megadepth").mkdir(parents=True)
    assert "megadepth" not in plan.to_fetch("data/")


def test_content_covers_folders_that_no_rule_makes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    a, b = (str(tmp_path / name) for name in ("a", "b"))
    both = plan_of().content([a, [b], []], lambda path: False)
    assert both != plan_of().content([a, [b]], lambda path: path == b) != ""
    assert plan_of().content([a], lambda path: True) == ""


def test_split() -> None:
    plan = plan_of(split={"name": "own", "photos": ["a/", "b"], "share": 0.5, "sequences": {"viewpoint": 2}})
    assert plan.photos_to_split == ["a", "b"] and plan.split_name == ["own"]
    assert plan.split_settings == {"share": 0.5} and plan.sequence_settings == {"viewpoint": 2}
    assert plan_of().split_name == plan_of().photos_to_split == [] and plan_of().split_settings == {}
    with pytest.raises(HndescError, match=r"split\.name: 'megadepth' is the name of a registered dataset"):
        plan_of(split={"name": "megadepth", "photos": "x"})


def test_a_registry_that_is_missing_is_named() -> None:
    with pytest.raises(HndescError, match=r"config key datasets\.registry: no/such\.yaml"):
        plan_of(datasets={"registry": "no/such.yaml"})
