"""Reduce figures to what a page needs, below some 200 KB: `python docs/figures/page_size.py FIGURE...`."""

import sys
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

LONGEST = 1200  # pixels of a photograph
COLORS = 128  # of a drawing
QUALITY = 78  # of JPEG


def reduce(figure: Path, longest: int = LONGEST) -> None:
    """Write a figure again: JPEG at most `longest` pixels wide or high; PNG in its size, with a palette."""
    image = Image.open(figure).convert("RGB")
    if figure.suffix == ".png":
        maker = PngInfo()  # hndesc replaces only figures that name it
        maker.add_text("Software", "hndesc")
        image.quantize(COLORS).save(figure, optimize=True, pnginfo=maker)
    else:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        image.save(figure, quality=QUALITY, optimize=True, progressive=True)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        reduce(Path(argument))
