"""The main scores of a run, and what they say in a few sentences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hndesc.datasets.kinds import KINDS
from hndesc.visualization.comparison import Figure, Table
from hndesc.visualization.tables import show


@dataclass(frozen=True)
class MainScore:
    """A main score of a benchmark for all descriptors."""

    benchmark: str
    figure: Figure
    values: Mapping[str, float]
    best: float

    @property
    def name(self) -> str:
        return f"{self.figure.group} {self.figure.name}"

    def cell(self, descriptor: str) -> str:
        return show(self.values[descriptor], self.figure.digits) if descriptor in self.values else ""


def main_scores(table: Table, kind: str) -> list[MainScore]:
    """Return the main scores of a table, the headline first."""
    places = KINDS[kind].main_columns([f"{figure.group} {figure.name}" for figure in table.figures])
    return [
        MainScore(
            table.benchmark,
            table.figures[place],
            {name: values[place] for name, values in table.rows.items()},
            table.best(place),
        )
        for place in places
    ]


def verdict(rows: Sequence[MainScore], difference: tuple[str, str]) -> list[str]:
    """Return in few sentences which descriptor has the best main score on which benchmark.

    Args:
        rows: main scores; of each benchmark counts the first that is not equal for all descriptors.
        difference: two descriptors that are compared in a sentence of their own.
    """
    heads = [_head([row for row in rows if row.benchmark == name]) for name in dict.fromkeys(r.benchmark for r in rows)]
    compared = [row for row in heads if len(row.values) > 1]
    if not compared:
        return ["A comparison needs more than one descriptor."]
    sentences = [f"Best {'; '.join(map(_winners, compared))}."]
    one, other = difference
    both = [row for row in heads if {one, other} <= row.values.keys()]
    if both:
        changes = [f"{row.benchmark} {row.cell(other)} \N{RIGHTWARDS ARROW} {row.cell(one)}" for row in both]
        sentences.append(f"From {other} to {one}: {_listed(changes)}.")
    return sentences


def _head(rows: Sequence[MainScore]) -> MainScore:
    """Return the first score of a benchmark that is not equal for all descriptors, else the first."""
    return next((row for row in rows if not math.isnan(row.best)), rows[0])


def _winners(row: MainScore) -> str:
    """Return a benchmark with its score, the best descriptors and the next one."""
    winners = [name for name, value in row.values.items() if value == row.best]
    if not winners:
        return f"on {row.benchmark} ({row.name}): no difference"
    text = f"on {row.benchmark} ({row.name}): {_listed(winners)} {row.cell(winners[0])}"
    others = {name: value for name, value in row.values.items() if name not in winners and not math.isnan(value)}
    following = (min if row.figure.lower else max)(others, key=others.__getitem__)
    return f"{text}, next {following} {row.cell(following)}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
