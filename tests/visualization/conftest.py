"""Results as the benchmarks write them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def hpatches(scale: float) -> dict:
    kinds = {"v": 0.5, "i": 0.7, "avg": 0.6, "all": 0.61}
    mma = {str(t): {kind: scale * value * t / 10 for kind, value in kinds.items()} for t in range(1, 11)}
    corner = {str(t): {kind: scale * kinds[kind] for kind in ("v", "i", "all")} for t in (1, 3, 5, 10)}
    area = {str(t): {kind: scale * kinds[kind] / 2 for kind in ("v", "i", "all")} for t in (3, 5, 10)}
    own = {"homography_accuracy": corner, "homography_auc": area}
    counts = {"features": {"v": 1500, "i": 900, "all": 1234}, "matches": {"v": 450, "i": 350, "all": 400.4}}
    return {"figures": {"mma": mma, **own, "estimators": {"ransac": own}, **counts}, "left_out": [], "failures": []}


def retrieval(scale: float) -> dict:
    return {
        "figures": {"mAP": {"easy": 0.9 * scale, "medium": 0.7 * scale, "hard": None}},
        "figures_before": {"mAP": {"easy": 0.6, "medium": 0.5, "hard": None}},
        "failures": {"features": {"db/x": "truncated"}, "pairs_without_homography": [["q", "db/x"]]},
    }


def localization(scale: float) -> dict:
    day = {"queries": 10, "recall": {"0.25/2": 0.8 * scale, "0.5/5": 0.9 * scale, "5/10": 1.0}}
    day |= {"median_position_error": 0.02 / scale, "median_rotation_error": 0.3 / scale}
    day["median_position_share"] = 0.004 / scale
    built = {"points": 1000 * scale, "mean_track_length": 3.25, "mean_reprojection_error": None}
    counts = {"day": {"queries": 10, "localized": 9}, "night": {"queries": 4, "localized": 2}}
    return {"figures": {"day": day, "localized": counts, "map": built}, "failures": [{"name": "q", "reason": "x"}] * 3}


KINDS = {"hpatches": hpatches, "retrieval": retrieval, "localization": localization}


@pytest.fixture
def write_result(tmp_path: Path) -> Callable[..., Path]:
    """Write a result file: write_result(kind, name, scale, change=function of the record)."""

    def write(kind: str, name: str = "result", scale: float = 1.0, change: Callable = lambda record: None) -> Path:
        record = {"benchmark": "b", "kind": kind, "protocol": f"protocol of {kind}", "features": {}}
        record |= KINDS[kind](scale)
        change(record)
        path = tmp_path / f"{kind}_{name}.json"
        path.write_text(json.dumps(record))
        return path

    return write
