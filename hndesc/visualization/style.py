"""One look for all figures, and how they are written."""

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from hndesc.errors import HndescError, printable
from hndesc.io.files import atomic_path, check_output_file

# Okabe and Ito's colors, told apart with any kind of color vision; gray for their yellow, which is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
DASHES = ("-", "--", ":", "-.")
INLIER, OUTLIER = "#00D870", "#E4002B"  # one light, one dark, so that they differ without color, too

_LOOK = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "figure.titlesize": 12,
    "svg.hashsalt": "hndesc",
}

# Thin colored lines need their colors at full resolution.
_JPEG = {"pil_kwargs": {"quality": 90, "subsampling": 0}}
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    # No date in the file: the same input gives the same bytes.
    ".svg": {"metadata": {"Date": None}},
    ".pdf": {"metadata": {"CreationDate": None}},
}


def check_picture(output: str | os.PathLike, inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Make sure, before the work, that a figure can be written; arguments as for `check_output_file`.

    Raises:
        HndescError: a suffix of no format of figures, or no place for a file.
    """
    if Path(output).suffix.lower() not in _FORMATS:
        raise HndescError(f"{printable(output)}: no file name of a picture; let it end in {', '.join(_FORMATS)}")
    check_output_file(output, inputs)


def line_looks(kinds: Sequence[Hashable]) -> list[dict[str, str]]:
    """Return color, marker and dashes of lines, one a kind given.

    Lines of one kind have one color and marker, and differ in dashes, as do kinds beyond the last color. With more of
    a kind than there are dashes, each line counts as a kind of its own. No two of 32 lines look the same.
    """
    places = {kind: place % len(COLORS) for place, kind in enumerate(dict.fromkeys(kinds))}
    turns: Counter[int] = Counter()
    looks = []
    for kind in kinds:
        place = places[kind]
        if turns[place] == len(DASHES) and len(places) < len(kinds):
            return line_looks(range(len(kinds)))
        dash = DASHES[turns[place] % len(DASHES)]
        turns[place] += 1
        looks.append({"color": COLORS[place], "marker": MARKERS[place], "linestyle": dash})
    return looks


@contextmanager
def figure(output: str | os.PathLike, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of `width` x `height` inches that is written to `output` (PNG, JPEG, SVG or PDF) on success."""
    check_picture(output)
    with matplotlib.rc_context(_LOOK):
        drawing = Figure(figsize=(width, height), layout="constrained")
        yield drawing
        suffix = Path(output).suffix.lower()
        with atomic_path(output) as temporary:
            drawing.savefig(temporary, format=suffix[1:], dpi=150, **_FORMATS[suffix])
