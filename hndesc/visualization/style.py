"""The common style of all figures, and their output."""

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from hndesc.errors import HndescError, printable
from hndesc.io.files import atomic_path, check_own_file, names_hndesc

# The colors of Okabe and Ito, distinguishable with color vision deficiencies; their yellow is replaced by gray.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
DASHES = ("-", "--", ":", "-.")
INLIER, OUTLIER = "#00D870", "#E4002B"  # light and dark, so that they also differ in grayscale

_STYLE = {
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

# Thin colored lines need chroma at full resolution.
_JPEG = {"pil_kwargs": {"quality": 90, "subsampling": 0, "comment": b"hndesc"}}
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"metadata": {"Software": "hndesc"}},
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    # Without a date, equal inputs give equal bytes.
    ".svg": {"metadata": {"Date": None, "Creator": "hndesc"}},
    ".pdf": {"metadata": {"CreationDate": None, "Creator": "hndesc"}},
}


def check_figure(output: str | os.PathLike, inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Check in advance that a figure can be written; arguments as for `check_output_file`.

    Raises:
        HndescError: the suffix is not that of a supported format, or the file cannot be written.
    """
    if Path(output).suffix.lower() not in _FORMATS:
        raise HndescError(f"{printable(output)}: not the name of a figure; it must end in one of {', '.join(_FORMATS)}")
    check_own_file(output, inputs, names_hndesc)


def line_styles(kinds: Sequence[Hashable]) -> list[dict[str, str]]:
    """Return color, marker and dashes of each line, given the kinds of lines.

    Lines of one kind share color and marker and differ in dashes, as do kinds beyond the last color. If a kind has more
    lines than there are dashes, each line is treated as a separate kind. Up to 32 lines have distinct styles.
    """
    places = {kind: place % len(COLORS) for place, kind in enumerate(dict.fromkeys(kinds))}
    used: Counter[int] = Counter()
    styles = []
    for kind in kinds:
        place = places[kind]
        if used[place] == len(DASHES) and len(places) < len(kinds):
            return line_styles(range(len(kinds)))
        dash = DASHES[used[place] % len(DASHES)]
        used[place] += 1
        styles.append({"color": COLORS[place], "marker": MARKERS[place], "linestyle": dash})
    return styles


@contextmanager
def figure(output: str | os.PathLike, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of `width` x `height` inches, which is written to `output` (PNG, JPEG, SVG or PDF) on success."""
    check_figure(output)
    with matplotlib.rc_context(_STYLE):
        drawing = Figure(figsize=(width, height), layout="constrained")
        yield drawing
        suffix = Path(output).suffix.lower()
        with atomic_path(output) as temporary:
            drawing.savefig(temporary, format=suffix[1:], dpi=150, **_FORMATS[suffix])
