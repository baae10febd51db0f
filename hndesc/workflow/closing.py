"""The last lines of a run: the main score of each benchmark, and the place of the page; or the steps that failed."""

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hndesc.datasets.kinds import KINDS
from hndesc.io.lists import aligned

_MOST = 6  # descriptors side by side
_TAIL = 5  # lines of the log of a failed step
# What Snakemake writes of a failed job.
_FAILED = re.compile(r"^ *Error in rule (\w+):\n(?:    .*\n)*?    log: (.+?) \(check log", re.MULTILINE)


def closing_lines(results: str | os.PathLike, kinds: Mapping[str, str]) -> list[str]:
    """Return the lines to print after a run.

    Args:
        results: folder of the results, with `tables/scores.csv` and `index.html`.
        kinds: kind of each benchmark, by its name.

    Returns:
        A line of descriptors, one for each benchmark with its main score, and one that names the page.
    """
    folder = Path(results)
    scores = _read_scores(folder / "tables" / "scores.csv")
    descriptors = list(dict.fromkeys(name for rows in scores.values() for _, _, name, _ in rows))[:_MOST]
    lines = [["", *descriptors]]
    for benchmark, kind in kinds.items():
        group, figure = _headline(kind, [row[:2] for row in scores.get(benchmark, ())])
        values = {
            name: value for one, other, name, value in scores.get(benchmark, ()) if (one, other) == (group, figure)
        }
        if values:
            lines.append(
                [f"{benchmark}: {group} {figure}", *(values.get(name) or "\N{EN DASH}" for name in descriptors)]
            )
    return [*(aligned(lines) if len(lines) > 1 else []), f"all scores and figures: {folder / 'index.html'}"]


def failure_lines(text: str) -> list[str]:
    """Return the lines to print after a run with failed steps: each with its log, and the log's last lines.

    Args:
        text: all that Snakemake wrote about the run.
    """
    failed = dict.fromkeys((rule, log) for rule, logs in _FAILED.findall(text) for log in logs.split(", "))
    lines = []
    for rule, log in failed:
        lines.append(f"failed: {rule}, see {log}")
        if Path(log).is_file():
            lines += [f"  {line}" for line in Path(log).read_text(errors="replace").splitlines()[-_TAIL:]]
    return lines


def _read_scores(path: Path) -> dict[str, list[tuple[str, str, str, str]]]:
    """Return (group, figure, descriptor, value) of all scores by benchmark; none without the table."""
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    if path.is_file():
        with open(path, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                found.setdefault(row["benchmark"], []).append(
                    (row["group"], row["figure"], row["descriptor"], row["value"])
                )
    return found


def _headline(kind: str, figures: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return group and name of the main figure of a benchmark."""
    known = list(dict.fromkeys(figures))
    places = KINDS[kind].main_columns([f"{group} {name}" for group, name in known])
    return known[places[0]] if places else ("", "")
