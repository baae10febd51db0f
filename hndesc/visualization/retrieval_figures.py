"""Queries of a retrieval benchmark with their first images before and after re-ranking."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError, ImageError, printable
from hndesc.io.images import resize_longest
from hndesc.visualization.results import Result
from hndesc.visualization.style import COLORS, INLIER, OUTLIER, check_figure, figure

_SIDE = 320  # pixels of an image
_COLUMNS = 6  # the query and its first five images
_COLORS = {"correct": INLIER, "wrong": OUTLIER}  # images that are ignored have a gray frame

Ranked = Sequence[tuple[str, str]]  # name and label of each image, best first


def plot_retrieval(
    root: str | os.PathLike,
    result: str | os.PathLike,
    output: str | os.PathLike,
    kind: str,
    label: str,
    distractors: str | os.PathLike | None = None,
) -> None:
    """Draw the queries that re-ranking helps most and least, with their first images before and after it.

    Args:
        root: folder of the dataset.
        result: JSON result of a descriptor.
        output: figure to write.
        kind: kind of the benchmark.
        label: name of the descriptor.
        distractors: folder of images that enlarge the database.
    """
    check_figure(output, [result])
    top: Mapping[str, Mapping[str, Ranked]] = Result(result).get("top")
    shown = choose_queries(top)
    if not shown:
        raise HndescError(f"{result}: no query to show")
    images = {entry.name: entry for entry in list_images(root, kind, distractors)}
    with figure(output, 11.0, 3.7 * len(shown) + 0.3) as drawing:
        drawing.suptitle(f"Re-ranking by {label}", parse_math=False)
        grid = drawing.add_gridspec(2 * len(shown), _COLUMNS)
        for number, query in enumerate(shown):
            row = 2 * number
            _show(drawing.add_subplot(grid[row : row + 2, 0]), images[f"query/{query}"], f"query {short(query)}")
            for line, when in enumerate(("before", "after")):
                for rank, (name, one) in enumerate(top[query][when][: _COLUMNS - 1]):
                    axes = drawing.add_subplot(grid[row + line, 1 + rank])
                    title = f"{when}, {rank + 1}: {one}\n{short(name)}"
                    _show(axes, images[f"db/{name}"], title, _COLORS.get(one, COLORS[-1]))


def choose_queries(top: Mapping[str, Mapping[str, Ranked]]) -> list[str]:
    """Return the queries that gain most and least correct images by re-ranking; one if it is the same."""
    gains = {query: _correct(ranks["after"]) - _correct(ranks["before"]) for query, ranks in top.items()}
    ordered = sorted(gains, key=lambda query: gains[query], reverse=True)
    return list(dict.fromkeys([*ordered[:1], *ordered[-1:]]))


def _correct(ranked: Ranked) -> int:
    return sum(label == "correct" for _, label in ranked)


def _show(axes: Axes, entry: ImageEntry, title: str, frame: str | None = None) -> None:
    axes.set(xticks=[], yticks=[], anchor="N")
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=frame is not None, edgecolor=frame, linewidth=5)
    axes.set_title(title, fontsize=8, parse_math=False)
    try:
        axes.imshow(resize_longest(entry.read(), _SIDE)[0])
    except ImageError:
        axes.text(0.5, 0.5, "cannot be read", transform=axes.transAxes, ha="center")


def short(name: str, most: int = 26) -> str:
    """Return the end of a name, at most `most` characters."""
    name = printable(Path(name).name)
    return name if len(name) <= most else "\N{HORIZONTAL ELLIPSIS}" + name[1 - most :]
