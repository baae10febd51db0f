"""The table of the README: which value is bold, what is compared with what, and where it is written."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.evaluation.hpatches.ranking import pack
from hndesc.models.bundled import DETECTOR, bundled_models

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("table", BENCHMARKS / "table.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["table"] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(BENCHMARKS))
        sys.modules.pop("table", None)


def write(folder: Path, name: str, detector: dict, mma: float, correct: list[bool], descriptor: str = "") -> None:
    """Write the result of a descriptor on one pair of each class, whose matches are `correct` in their order."""
    kinds = ("v", "i", "all", "avg")
    pair = {"pairs": [["1", "2"]], "matches": [len(correct)], "correct_in_order": [pack(np.array(correct))]}
    result = {
        "kind": "hpatches",
        "features": {"descriptor": {"name": descriptor or name, "license": "Free"}, "detector": detector},
        "figures": {
            "mma": {"3": dict.fromkeys(kinds, mma)},
            "correct_matches": {"all": float(sum(correct))},
            "average_precision": {},
            "estimators": {"poselib": {"homography_auc": {"5": {"all": mma / 2}}}},
        },
        "per_sequence": {"v_a": pair | {"class": "v"}, "i_a": pair | {"class": "i"}},
    }
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result))


@pytest.fixture
def rows(benchmark, tmp_path: Path):
    shared, own = {"name": "superpoint"}, {"name": "disk", "max_keypoints": 2048}
    write(tmp_path, "superpoint", shared, 0.25, [True, False, False, True])
    write(tmp_path, "rootsift", shared, 0.5, [True, True])
    write(tmp_path, "disk-own", own, 0.75, [True], "disk")
    return benchmark.read_rows(tmp_path)


def test_the_best_of_each_part_is_bold(benchmark, rows) -> None:
    times = {row.result.path: 0.010 if row.descriptor["name"] == "rootsift" else 0.020 for row in rows}
    lines = benchmark.table(rows, times, []).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "***at SuperPoint's keypoints***",
        "SuperPoint",
        "RootSIFT",
        "***at their own keypoints***",
        "SuperPoint",
        "DISK, 2,048",
    ]
    best = "**.500**/**.500**/**.500**"
    # Two matches of each count at equal yield: one of SuperPoint's is right, both of RootSIFT's are.
    assert lines[3] == "| SuperPoint | .250/.250/.250 | **2** | .500 | .125 | 20 | - | Free |"
    assert lines[4] == f"| RootSIFT | {best} | **2** | **1.000** | **.250** | **10** | - | Free |"
    assert lines[-1].startswith("| DISK, 2,048 | **.750**/")


def test_keypoints_of_a_bundled_model_are_named_and_their_weights_counted(benchmark, tmp_path: Path) -> None:
    for name in ("superpoint", "rootsift"):
        write(tmp_path, name, {"name": "superpoint"}, 0.25, [True])
    write(tmp_path, "own", {"name": "hndesc", "max_keypoints": 4096}, 0.5, [True], "hndesc-tiny")
    rows = benchmark.read_rows(tmp_path)
    line = benchmark.table(rows, {row.result.path: 0.06 for row in rows}, []).splitlines()[-1]
    size = sum(path.stat().st_size for path in (bundled_models()["hndesc-tiny"], DETECTOR)) / 1e6
    assert line.startswith("| hndesc-tiny, hndesc keypoints, 4,096 | **.500**/")
    assert line.endswith(f"| **60** | {size:.1f} | MIT |")


def test_the_table_is_written_between_its_marks(benchmark) -> None:
    page = "a\n<!-- scores -->\nold\n<!-- end of scores -->\nb\n"
    assert benchmark.replace(page, "new\n", Path("x.md")) == "a\n<!-- scores -->\nnew\n<!-- end of scores -->\nb\n"
    with pytest.raises(HndescError, match=r"x\.md: it must have one line"):
        benchmark.replace("a\n", "new\n", Path("x.md"))


def test_a_folder_without_results_is_an_error(benchmark, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="no results"):
        benchmark.read_rows(tmp_path)


def test_time_is_measured_from_image_to_descriptors(benchmark, tmp_path: Path) -> None:
    sift = {"name": "sift", "contrast_threshold": 0.04, "max_keypoints": 100}
    write(tmp_path, "rootsift-own", sift, 0.5, [True], "rootsift")
    (row,) = benchmark.read_rows(tmp_path)
    assert 0 < benchmark.measure(row, [], seconds=0) < 10
