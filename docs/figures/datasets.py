"""Draw docs/figures/datasets.svg: how many images the registry's datasets have.  python docs/figures/datasets.py"""

from pathlib import Path

from hndesc.datasets.fetch.registry import Entry, read_registry
from hndesc.visualization.style import COLORS, figure

OUTPUT = Path(__file__).with_suffix(".svg")


def main() -> None:
    """Draw the number of images of each dataset for which the registry states it."""
    counts = {name: count for name, entry in read_registry().items() if (count := count_images(entry))}
    names = sorted(counts, key=lambda name: counts[name])
    with figure(OUTPUT, 8.0, 0.3 * len(names) + 0.7) as drawing:
        axes = drawing.subplots()
        axes.barh(names, [counts[name] for name in names], color=COLORS[0], height=0.65)
        for place, name in enumerate(names):
            axes.text(counts[name] * 1.1, place, f"{counts[name]:,}", va="center", fontsize=9)
        axes.set_xscale("log")
        axes.set_xlim(10, max(counts.values()) * 5)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("images")


def count_images(entry: Entry) -> int:
    """Return the number of images that the layout of an entry states, 0 without."""
    layout = entry.layout or {}
    if "sequences" in layout:
        return 6 * layout["sequences"]
    return layout.get("least", layout.get("database", 0) + layout.get("queries", 0))


if __name__ == "__main__":
    main()
