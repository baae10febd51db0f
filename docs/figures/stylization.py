"""Draw docs/figures/stylization.jpg: photos, styles and copies.  python docs/figures/stylization.py

Photos and styles are those of the demo, photographs in Python packages and relit copies of them.
"""

import tempfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from page_size import reduce

from hndesc.datasets.demo.photographs import SOURCES, load, make_styles
from hndesc.io.images import read_image, resize_longest
from hndesc.runtime.seeds import generator
from hndesc.stylization import METHODS
from hndesc.visualization.style import figure

OUTPUT = Path(__file__).with_suffix(".jpg")
# Photo: its style, and two classes of light.
ROWS = {
    "hopper": ("dusk/rocket", "dusk", "snow"),
    "flower": ("night/hopper", "night", "mist"),
    "chelsea": ("night/flower", "rain", "night"),
    "coins": ("cloudy/hopper", "cloudy", "night"),
}
LONGEST, SHAPE = 480, 0.72  # pixels of a photo; height of a cell over its width


def main() -> None:
    """Stylize the photos and draw a row for each."""
    with tempfile.TemporaryDirectory() as folder, figure(OUTPUT, 12.0, 6.6) as drawing:
        make_styles(Path(folder), seed=0)
        grid = drawing.subplots(len(ROWS), 6)
        for panels, (name, (style, *lights)) in zip(grid, ROWS.items(), strict=True):
            photo = resize_longest(load(name, SOURCES[name].use), LONGEST)[0]
            given = read_image(Path(folder, f"{style}.jpg"))
            cells = {"photo": photo, f"style: {style.partition('/')[0]}": given}
            for method in ("monge_kantorovich", "local"):
                cells[method] = METHODS.load(method)(photo, given, generator(0, name))
            for light in lights:
                rng = generator(0, f"{name}/{light}")
                cells[f"relighting: {light}"] = METHODS.load("relighting")(photo, light, rng)
            for axes, (title, image) in zip(panels, cells.items(), strict=True):
                _show(axes, image, title)
    reduce(OUTPUT)


def _show(axes: Axes, image: np.ndarray, title: str) -> None:
    """Show the middle of an image, cut to the shape of a cell."""
    height, width = image.shape[:2]
    rows, columns = min(height, round(width * SHAPE)), min(width, round(height / SHAPE))
    top, left = (height - rows) // 4, (width - columns) // 2  # faces are above the middle
    axes.imshow(image[top : top + rows, left : left + columns])
    axes.set_axis_off()
    axes.set_title(title, fontsize=9)


if __name__ == "__main__":
    main()
