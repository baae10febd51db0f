"""The table of README.md: scores of all baselines at the same keypoints and at their own, time, size and license.

    snakemake --cores all all --configfile config/hpatches.yaml
    python benchmarks/table.py results/hpatches hpatches [--weights data/weights] [--write README.md]

Scores come from the results of that run. Times are measured: processor time of one core from a 640 x 480 image to the
descriptors of at most 2,048 keypoints, the least of several repetitions, after the network is loaded. The table is
printed, or written between the lines `<!-- scores -->` and `<!-- end of scores -->` of a file. The best value of a
column in each part of the table is bold.
"""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from extraction import mosaic, quickest, weights_file

from hndesc.descriptors import load_descriptor
from hndesc.detectors import load_detector
from hndesc.errors import HndescError
from hndesc.io.files import write_text
from hndesc.models.bundled import DETECTOR, bundled_models
from hndesc.models.checkpoint import read_card
from hndesc.pretrained.baselines import TITLES
from hndesc.visualization.equal_yield import equal_yield
from hndesc.visualization.results import Result

HEAD = "| descriptor | MMA@3 v/i/avg | correct matches | at equal yield | AUC@5 | ms | MB | license of the weights |"
FIGURES = ("v", "i", "avg", "correct", "yield", "auc")
DIGITS = {"correct": 0}
KEYPOINTS = 2048
OURS = bundled_models() | {"hndesc": DETECTOR}
BEGIN, END = "<!-- scores -->", "<!-- end of scores -->"


@dataclass(frozen=True)
class Row:
    """A descriptor of the table: its result, and what it takes to compute."""

    result: Result
    descriptor: Mapping
    detector: Mapping

    @property
    def title(self) -> str:
        """The name in the table."""
        return _title(self.descriptor)

    @property
    def shared(self) -> bool:
        """Whether it is described at the keypoints that all have in common."""
        return self.detector["name"] == "superpoint"

    @property
    def ours(self) -> bool:
        """Whether it is a bundled model."""
        return self.descriptor["name"] in bundled_models()


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the run, results/hpatches")
    parser.add_argument("benchmark", help="name of the benchmark in that run")
    parser.add_argument("--weights", type=Path, nargs="+", default=[Path("data/weights")], help="folders of weights")
    parser.add_argument("--seconds", type=float, default=3, help="for each time (default: %(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="file whose table is replaced")
    arguments = parser.parse_args()
    rows = read_rows(arguments.run / "scores" / arguments.benchmark)
    times = {row.result.path: measure(row, arguments.weights, arguments.seconds) for row in rows}
    text = table(rows, times, arguments.weights)
    if arguments.write:
        write_text(arguments.write, replace(arguments.write.read_text(encoding="utf-8"), text, arguments.write))
    else:
        print(text)


def read_rows(folder: Path) -> list[Row]:
    """Read the results of a benchmark, those of the bundled models last; without those in several views."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise HndescError(f"{folder}: no results; run config/hpatches.yaml first")
    rows = []
    for path in paths:
        features = Result(path).get("features")
        if not features.get("views"):
            rows.append(Row(Result(path), features["descriptor"], features["detector"]))
    return sorted(rows, key=lambda row: (row.ours, row.result.number("figures", "mma", "3", "avg")))


def table(rows: list[Row], times: Mapping[Path, float], folders: list[Path]) -> str:
    """Return the table: descriptors at the shared keypoints, then each at its own."""
    shared = [row for row in rows if row.shared]
    own = [row for row in rows if not row.shared or row.descriptor["name"] == "superpoint"]  # its own, too
    lines = [HEAD, "|---|---|---|---|---|---|---|---|"]
    for title, group in (("at SuperPoint's keypoints", shared), ("at their own keypoints", own)):
        lines.append(f"| ***{title}*** | | | | | | | |")
        yields = equal_yield({row.result.path.stem: row.result for row in group})
        figures = [_figures(row, yields) for row in group]
        best = {key: max(_rounded(one, key) for one in figures) for key in FIGURES}
        fastest = min(round(1000 * times[row.result.path]) for row in group)
        for row, one in zip(group, figures, strict=True):
            cells = {key: _bold(_rounded(one, key), best[key], DIGITS.get(key, 3)) for key in FIGURES}
            time = _bold(round(1000 * times[row.result.path]), fastest, 0)
            accuracy = f"{cells['v']}/{cells['i']}/{cells['avg']}"
            parts = (_name(row), accuracy, cells["correct"], cells["yield"], cells["auc"], time)
            lines.append(f"| {' | '.join(parts)} | {_size(row, folders)} | {_license(row)} |")
    return "\n".join(lines) + "\n"


def _name(row: Row) -> str:
    if row.shared:
        return row.title
    parts = [row.title]
    if row.ours:
        parts.append(f"{_title(row.detector)} keypoints")
    if most := row.detector.get("max_keypoints"):
        parts.append(f"{most:,}")
    return ", ".join(parts)


def _title(part: Mapping) -> str:
    return TITLES.get(part["name"], part["name"])


def _figures(row: Row, yields: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    mma = {kind: row.result.number("figures", "mma", "3", kind) for kind in ("v", "i", "avg")}
    return mma | {
        "correct": row.result.number("figures", "correct_matches", "all"),
        "yield": yields[row.result.path.stem]["avg"],
        "auc": row.result.number("figures", "estimators", "poselib", "homography_auc", "5", "all"),
    }


def _rounded(figures: Mapping[str, float], key: str) -> float:
    return round(figures[key], DIGITS.get(key, 3))


def _bold(value: float, best: float, digits: int) -> str:
    text = f"{value:,.{digits}f}".removeprefix("0") if digits else f"{value:,.0f}"
    return f"**{text}**" if value == best else text


def _size(row: Row, folders: list[Path]) -> str:
    names = {part["name"] for part in (row.descriptor, row.detector)}
    files = [OURS.get(name) or weights_file(name, folders) for name in sorted(names)]
    total = sum(path.stat().st_size for path in files if path)
    return f"{total / 1e6:.1f}" if total else "-"


def _license(row: Row) -> str:
    if row.ours:
        license = read_card(bundled_models()[row.descriptor["name"]])["about"]["license"]
        return re.split("[,;]", license)[0]
    return row.descriptor.get("license", "-")


def measure(row: Row, folders: list[Path], seconds: float) -> float:
    """Return the processor seconds from an image to its descriptors, on one core."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = {"contrast_threshold": row.detector["contrast_threshold"]} if row.detector["name"] == "sift" else {}
    weights = {part["name"]: weights_file(part["name"], folders) for part in (row.descriptor, row.detector)}
    detector = load_detector(row.detector["name"], weights[row.detector["name"]], max_keypoints=KEYPOINTS, **settings)
    name = row.descriptor["name"]
    size = {"default_size": 8} if row.shared and name in ("sift", "rootsift") else {}
    descriptor = load_descriptor(bundled_models().get(name, name), weights[name], **size)
    image = mosaic(480, 640)

    def work() -> np.ndarray:
        return descriptor.describe(image, detector.detect(image))

    return quickest(work, seconds)[1]


def replace(page: str, text: str, path: Path) -> str:
    """Return a page with the table between its marks replaced."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise HndescError(f"{path}: it must have one line {BEGIN}, and one line {END} after it")
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{text}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    main()
