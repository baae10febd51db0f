"""A grid of photos, each beside the photos that look like it."""

import os
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import printable
from hndesc.io.images import resize_longest
from hndesc.retrieval.similar import Neighbor
from hndesc.visualization.style import check_figure, figure

_SIDE = 320  # pixels of a photo
_MOST_ROWS = 12


def plot_similar(
    found: Mapping[str, Sequence[Neighbor]],
    photos: Sequence[ImageEntry],
    queries: Sequence[ImageEntry],
    output: str | os.PathLike,
) -> None:
    """Draw queries and their neighbors, one row per query, of at most twelve.

    Args:
        found: neighbors by the name of the query (`hndesc.retrieval.similar.find_similar`).
        photos: the photos that were searched.
        queries: the photos that were searched for.
        output: figure to write.
    """
    check_figure(output, [entry.path for entry in (*photos, *queries)])
    known = {entry.name: entry for entry in photos}
    rows = [entry for entry in queries if entry.name in found][:_MOST_ROWS]
    columns = 1 + max((len(found[entry.name]) for entry in rows), default=0)
    with figure(output, 2.2 * columns, 2.2 * len(rows)) as drawing:
        grid = drawing.subplots(len(rows), columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for panels, entry in zip(grid, rows, strict=True):
            _show(panels[0], entry, _short(entry.name), bold=True)
            for axes, neighbor in zip(panels[1:], found[entry.name], strict=False):
                score = f"{neighbor.similarity:.3f}"
                if neighbor.inliers is not None:
                    score += f", {neighbor.inliers} inliers"
                _show(axes, known[neighbor.name], f"{_short(neighbor.name)}\n{score}")


def _show(axes: Axes, entry: ImageEntry, title: str, bold: bool = False) -> None:
    axes.imshow(resize_longest(entry.read(), _SIDE)[0])
    axes.set_title(title, fontsize=8, fontweight="bold" if bold else "normal", parse_math=False)


def _short(name: str) -> str:
    """Return a name of at most 28 characters, its end."""
    name = printable(name)
    return name if len(name) <= 28 else "\N{HORIZONTAL ELLIPSIS}" + name[-27:]
