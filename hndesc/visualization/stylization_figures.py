"""Figures of stylized photos: photo, style and copy side by side."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from hndesc.errors import HndescError
from hndesc.io.files import read_json
from hndesc.io.images import read_image, resize_longest
from hndesc.stylization.tables import Copy, read_copies
from hndesc.visualization.style import check_figure, figure

_COLUMNS = ("photo", "style", "copy")
_LONGEST = 480  # pixels of an image in the figure


def plot_stylization(
    photos: Path, styles: Path | None, stylized: Path, output: Path, measures: Path | None = None, count: int = 6
) -> None:
    """Draw a figure of photos, their styles and the stylized copies, two photos per row.

    Args:
        photos: folder of photos.
        styles: folder of style photos; None if the copies were made without any.
        stylized: folder of copies written by `hndesc.stylization.stylize.stylize_photos`.
        output: PNG or SVG file to write.
        measures: file written by `hndesc.stylization.measures.measure_stylization`, shown below the images, or None.
        count: maximum number of photos, spread over the style classes.
    """
    check_figure(output)
    chosen = choose_rows(_read_table(Path(stylized)), count)
    folders = {"photo": Path(photos), "style": None if styles is None else Path(styles), "copy": Path(stylized)}
    rows = -(-len(chosen) // 2)
    lines = [] if measures is None else measure_lines(read_json(measures))
    with figure(output, 13.0, 1.75 * rows + 0.4 + 0.19 * len(lines)) as drawing:
        grid = drawing.subplots(rows, 7, squeeze=False, width_ratios=(1, 1, 1, 0.06, 1, 1, 1))
        for axes in grid.flat:
            axes.set_axis_off()
            axes.set_anchor("N")
        for place, entry in enumerate(chosen.to_dict("records")):
            row, start = place // 2, 4 * (place % 2)
            for axes, kind in zip(grid[row, start : start + 3], _COLUMNS, strict=True):
                if entry[kind]:
                    _show(axes, folders[kind] / entry[kind], _caption(kind, entry))
                else:
                    axes.text(0.5, 0.5, entry["class"], transform=axes.transAxes, ha="center", va="center")
        if lines:
            drawing.supxlabel("\n".join(lines), fontsize=9, family="monospace", ha="left", x=0.01)


def measure_lines(measures: dict) -> list[str]:
    """Return the measures of a stylization as lines of text, for each method and its classes."""
    form = "{:<30}{:>8}{:>18}{:>18}".format
    lines = [form("", "copies", "SSIM of edges", "repeatability")]
    for method, whole in measures["methods"].items():
        classes = {} if list(whole["classes"]) == ["all"] else whole["classes"]
        for name, figures in ((method, whole), *((f"  {group}", figures) for group, figures in classes.items())):
            values = (f"{figures[key]:.3f}" for key in ("edge_similarity", "repeatability"))
            lines.append(form(name, figures["copies"], *values))
    return lines


def choose_rows(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Select `count` rows of a table of copies, alternating between classes and evenly spaced within each class."""
    if table.empty or count < 1:
        raise HndescError(f"no stylized photo to show ({len(table)} in the table, {count} requested)")
    # Rows of a class in van der Corput order: they are evenly spaced for any count.
    rank = table.groupby("class").cumcount()
    size = table.groupby("class")["class"].transform("size")
    order = [_van_der_corput_rank(position, total) for position, total in zip(rank, size, strict=True)]
    return table.assign(order=order).sort_values(["order", "class"], kind="stable").head(count).drop(columns="order")


def _van_der_corput_rank(position: int, total: int) -> int:
    bits = max(1, (total - 1).bit_length())
    permuted = sorted(range(total), key=lambda index: int(f"{index:0{bits}b}"[::-1], 2))
    return permuted.index(position)


def _read_table(folder: Path) -> pd.DataFrame:
    return pd.DataFrame(read_copies(folder), columns=Copy._fields).rename(columns={"group": "class"})


def _caption(kind: str, entry: dict[str, str]) -> str:
    if kind == "copy":
        return entry["method"]
    group = f" ({entry['class']})" if kind == "style" and entry["class"] != "all" else ""
    return f"{kind}: {_shorten(Path(entry[kind]).name)}{group}"


def _shorten(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most // 2 - 1]}\N{HORIZONTAL ELLIPSIS}{name[-most // 2 :]}"


def _show(axes: Axes, path: Path, caption: str) -> None:
    axes.imshow(resize_longest(read_image(path), _LONGEST)[0])
    axes.set_title(caption, fontsize=9)
