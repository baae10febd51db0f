"""One look for all figures, and how they are written."""

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure

from hndesc.files import atomic_path, check_output_file

# Okabe and Ito's colours, told apart with any kind of colour vision; grey for their yellow, which is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
DASHES = ("-", "--", ":", "-.")
INLIER, OUTLIER = "#00D870", "#E4002B"  # one light, one dark, so that they differ without colour, too

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

_FORMATS = {
    # No date in the file: the same input gives the same bytes.
    ".svg": {"metadata": {"Date": None}},
    # Thin coloured lines need their colours at full resolution.
    ".jpg": {"pil_kwargs": {"quality": 90, "subsampling": 0}},
}


def line_looks(kinds: Sequence[Hashable]) -> list[dict[str, str]]:
    """Return colour, marker and dashes of lines, one a kind given.

    Lines of one kind have one colour and marker, and differ in dashes, as do kinds beyond the last colour. With more of
    a kind than there are dashes, each line counts as a kind of its own. No two of 32 lines look the same.
    """
    places = {kind: place % len(COLOURS) for place, kind in enumerate(dict.fromkeys(kinds))}
    turns = Counter()
    looks = []
    for kind in kinds:
        place = places[kind]
        if turns[place] == len(DASHES) and len(places) < len(kinds):
            return line_looks(range(len(kinds)))
        dash = DASHES[turns[place] % len(DASHES)]
        turns[place] += 1
        looks.append({"color": COLOURS[place], "marker": MARKERS[place], "linestyle": dash})
    return looks


@contextmanager
def figure(output: str | os.PathLike, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of `width` x `height` inches that is written to `output` (PNG, JPEG or SVG) on success."""
    check_output_file(output)
    with matplotlib.rc_context(_LOOK):
        drawing = Figure(figsize=(width, height), layout="constrained")
        yield drawing
        with atomic_path(output) as temporary:
            drawing.savefig(temporary, dpi=150, **_FORMATS.get(temporary.suffix, {}))
