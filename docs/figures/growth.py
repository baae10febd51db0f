"""Draw docs/figures/growth.svg from the table in docs/notes/speed.md.  python docs/figures/growth.py"""

import re
from pathlib import Path

from hndesc.visualization.style import figure, line_styles

OUTPUT = Path(__file__).with_suffix(".svg")
TABLE = Path(__file__).parents[1] / "notes" / "speed.md"


def main() -> None:
    """Draw processor time per image and peak memory over the number of images."""
    rows = read_table(TABLE.read_text(encoding="utf-8"))
    counts = [100, 1000, 10000]
    with figure(OUTPUT, 8.0, 3.4) as drawing:
        times, memory = drawing.subplots(1, 2)
        for (label, cells), style in zip(rows.items(), line_styles(list(rows)), strict=True):
            times.plot(counts, [cell[0] for cell in cells], label=label, **style)
            memory.plot(counts, [cell[1] for cell in cells], label=label, **style)
        for axes, title in ((times, "processor time per image, ms"), (memory, "peak memory, MiB")):
            axes.set_xscale("log")
            axes.set_ylim(0)
            axes.set_title(title)
            axes.set_xlabel("images")
        memory.legend(loc="lower right")


def read_table(text: str) -> dict[str, list[tuple[float, float]]]:
    """Return time and memory at each number of images, by step."""
    head = re.search(r"^\| processor time per image.*\n\|[-|]+\n", text, re.M)
    lines = text[head.end() :].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {re.split("[,(]", row[0])[0].strip(): [_numbers(cell) for cell in row[1:]] for row in cells}


def _numbers(cell: str) -> tuple[float, float]:
    time, memory, _ = map(float, cell.split(";"))
    return time, memory


if __name__ == "__main__":
    main()
