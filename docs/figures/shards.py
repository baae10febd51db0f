"""Draw docs/figures/shards.svg: the jobs of a benchmark with four shards.  python docs/figures/shards.py

Snakemake plans the jobs for the demo's homography sequences; nothing is run.
"""

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

from hndesc.visualization.style import COLORS, figure

OUTPUT = Path(__file__).with_suffix(".svg")
ROOT = Path(__file__).parents[2]
CONFIGURATION = """
descriptors: [hndesc-lite]
benchmarks:
  - {name: hpatches, kind: hpatches, dataset: data/demo/sequences, shards: 4}
"""


def main() -> None:
    """Plan the jobs and draw them, those that can run at the same time below each other."""
    names, before = plan()
    columns = arrange(before)
    places = {
        job: (x, y - (len(jobs) - 1) / 2)
        for x, jobs in enumerate(columns)
        for y, job in enumerate(sorted(jobs, key=int))
    }
    colors = dict(zip(dict.fromkeys(names[job] for jobs in columns for job in jobs), COLORS, strict=False))
    with figure(OUTPUT, 9.0, 2.9) as drawing:
        axes = drawing.subplots()
        axes.set_axis_off()
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(2.1, -2.1)
        for job, earlier in before.items():
            for one in earlier:
                axes.annotate(
                    "", places[job], places[one], arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.8}
                )
        for job, place in places.items():
            box = {
                "boxstyle": "round,pad=0.45",
                "facecolor": "white",
                "edgecolor": colors[names[job]],
                "linewidth": 1.6,
            }
            axes.text(*place, names[job], ha="center", va="center", fontsize=9, bbox=box)


def plan() -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return the rule of each job, and the jobs that it waits for."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "shards.yaml").write_text(CONFIGURATION)
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        command += ["--configfile", str(Path(folder, "shards.yaml")), "--dag", "dot", "--", "results/hpatches.txt"]
        dot = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder).stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', dot))
    before: dict[str, set[str]] = {job: set() for job in names}
    for earlier, job in re.findall(r"(\d+) -> (\d+)", dot):
        before[job].add(earlier)
    return names, before


def arrange(before: dict[str, set[str]]) -> list[list[str]]:
    """Return the jobs by the length of the longest chain of jobs before them."""
    depth: dict[str, int] = {}
    columns: dict[int, list[str]] = defaultdict(list)
    for job in TopologicalSorter(before).static_order():
        depth[job] = max((depth[one] + 1 for one in before[job]), default=0)
        columns[depth[job]].append(job)
    return [columns[number] for number in sorted(columns)]


if __name__ == "__main__":
    main()
