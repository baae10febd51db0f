"""Draw docs/figures/accuracy.svg from the tables of README.md and docs/models.md: accuracy over time.

python docs/figures/accuracy.py
"""

import re
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from hndesc.visualization.style import COLORS, figure

SCORES = ("MMA@3, mean of v and i", "AUC@5 of the homography")
# Labels that would overlap at the default place: row, column, name -> offset in points and alignment.
LABELS = {
    (0, 0, "hndesc-fast"): ((-6, -3), "right"),
    (0, 0, "hndesc-lite"): ((5, -3), "left"),
    (0, 0, "hndesc-tiny"): ((-6, -3), "right"),
    (0, 0, "hndesc-r2d2"): ((6, -2), "left"),
    (0, 0, "hndesc-r2d2-free"): ((6, -9), "left"),
    (0, 1, "hndesc-fast"): ((-6, 5), "right"),
    (0, 1, "hndesc-lite"): ((0, 7), "left"),
    (0, 1, "hndesc-tiny"): ((-6, -3), "right"),
    (1, 0, "hndesc-lite"): ((2, -11), "left"),
    (1, 0, "hndesc-tiny"): ((-6, -3), "right"),
    (1, 1, "hndesc-tiny"): ((-6, -3), "right"),
    (1, 1, "ALIKED"): ((6, -3), "left"),
    (1, 1, "DISK"): ((6, -3), "left"),
    (0, 2, "ALIKED"): ((0, -12), "center"),
    (0, 2, "RootSIFT"): ((6, -3), "left"),
    (0, 2, "hndesc-tiny"): ((-6, -3), "right"),
    (0, 2, "hndesc-fast"): ((-6, -3), "right"),
    (1, 2, "hndesc-tiny"): ((-6, -3), "right"),
    (1, 2, "hndesc-fast"): ((-6, 3), "right"),
    (1, 2, "RootSIFT"): ((6, -3), "left"),
}
HOLLOW = " at SIFT's"
OUTPUT = Path(__file__).with_suffix(".svg")
README, MODELS = Path(__file__).parents[2] / "README.md", Path(__file__).parents[1] / "models.md"


def main() -> None:
    """Draw a point for each descriptor, in a column for each part of the tables and a row for each score."""
    small, parts = (read_table(path.read_text(encoding="utf-8")) for path in (README, MODELS))
    parts = {f"hpatches_mini, {title}": rows for title, rows in small.items()} | parts
    with figure(OUTPUT, 12.5, 8.0) as drawing:
        panels = drawing.subplots(len(SCORES), len(parts), sharex="col", squeeze=False)
        for column, (title, rows) in enumerate(parts.items()):
            rows.pop("SIFT", None)  # hidden by RootSIFT
            for row in range(len(SCORES)):
                points = {name: (time, scores[row]) for name, (time, *scores) in rows.items()}
                draw(panels[row, column], row, column, points)
            panels[0, column].set_title(title)
            panels[-1, column].set_xlabel("ms per image, one core")
        for axes, label in zip(panels[:, 0], SCORES, strict=True):
            axes.set_ylabel(label)


def draw(axes: Axes, row: int, column: int, points: dict[str, tuple[float, float]]) -> None:
    """Draw named points (time, score)."""
    for name, point in points.items():
        ours = name.startswith("hndesc")
        if name.endswith(HOLLOW):  # next to the same model at hndesc's keypoints, which has a label
            axes.plot(*point, "o", color=COLORS[1], markerfacecolor="white", zorder=0)
            continue
        axes.plot(*point, "o", color=COLORS[1 if ours else 0])
        offset, side = LABELS.get((row, column, name), ((5, 3), "left") if ours else ((-6, -3), "right"))
        weight = "bold" if ours else None
        axes.annotate(name, point, offset, textcoords="offset points", ha=side, size=7.5, weight=weight)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=7)
    axes.margins(x=0.34)


def read_table(text: str) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Return the time, MMA@3 and AUC@5 of each descriptor, by part of the table."""
    table = text.partition("<!-- scores -->")[2].partition("<!-- end of scores -->")[0].replace("**", "")
    parts: dict[str, dict[str, tuple[float, float, float]]] = {}
    for line in table.strip().splitlines()[2:]:
        name, accuracy, _, _, auc, time, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        if name.startswith("*"):
            rows = parts.setdefault(name.strip("*"), {})
        else:
            plain = re.sub(r"(, hndesc keypoints)?(, [\d,]+)?$", "", name).replace(", SIFT keypoints", HOLLOW)
            rows[plain] = float(time.replace(",", "")), float(accuracy.split("/")[-1]), float(auc)
    return parts


if __name__ == "__main__":
    main()
