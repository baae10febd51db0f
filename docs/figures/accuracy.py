"""Draw docs/figures/accuracy.svg from the table of README.md: accuracy over time.  python docs/figures/accuracy.py"""

import re
from pathlib import Path

from matplotlib.ticker import LogLocator, NullLocator

from hndesc.visualization.style import COLORS, figure

OUTPUT = Path(__file__).with_suffix(".svg")
README = Path(__file__).parents[2] / "README.md"


def main() -> None:
    """Draw a point for each descriptor, in a panel for each part of the table."""
    parts = read_table(README.read_text(encoding="utf-8"))
    with figure(OUTPUT, 9.0, 4.5) as drawing:
        for axes, (title, rows) in zip(drawing.subplots(1, len(parts), sharey=True), parts.items(), strict=True):
            rows.pop("SIFT")  # hidden by RootSIFT
            for name, (accuracy, time) in rows.items():
                ours = name.startswith("hndesc")
                axes.plot(time, accuracy, "o", color=COLORS[1 if ours else 0])
                place = {"xytext": (5, 3), "ha": "left"} if ours else {"xytext": (-6, -3), "ha": "right"}
                side = {"xytext": (-5, 4), "ha": "right"} if name == "hndesc-fast" else place  # clear of hndesc-lite
                axes.annotate(
                    name,
                    (time, accuracy),
                    textcoords="offset points",
                    size=7.5,
                    weight="bold" if ours else None,
                    **side,
                )
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_title(title)
            axes.set_xlabel("ms per image, one core")
            axes.margins(x=0.25)
        drawing.axes[0].set_ylabel("MMA@3, mean of v and i")


def read_table(text: str) -> dict[str, dict[str, tuple[float, float]]]:
    """Return accuracy and time of each descriptor, by part of the table."""
    table = text.partition("<!-- scores -->")[2].partition("<!-- end of scores -->")[0].replace("**", "")
    parts: dict[str, dict[str, tuple[float, float]]] = {}
    for line in table.strip().splitlines()[2:]:
        name, accuracy, *others = (cell.strip() for cell in line.strip("|").split("|"))
        if name.startswith("*"):
            rows = parts.setdefault(name.strip("*"), {})
        else:
            rows[re.sub(",? [\\d,]+$|, SIFT keypoints.*", "", name)] = (
                float(accuracy.split("/")[-1]),
                float(others[3].replace(",", "")),
            )
    return parts


if __name__ == "__main__":
    main()
