"""Style photographs: a folder of classes (night/, dusk/, …) or a flat one, and the draw of one style a photo."""

import logging
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from hndesc.errors import HndescError, ImageError
from hndesc.io.images import find_images, read_image, resize_longest
from hndesc.runtime.seeds import generator

logger = logging.getLogger(__name__)

FLAT = "all"  # class of the style photos that lie in no sub-folder
_LONGEST = 512  # a style gives away its colors at this size as well as at any


class Styles:
    """The style photographs of a folder; broken ones are left out with a warning.

    Args:
        folder: style photos in sub-folders, one a class, or directly in it.
        seed: of the draws.
        classes: those to draw from; None for all.

    Raises:
        HndescError: no style photo of these classes.
    """

    def __init__(self, folder: Path, seed: int = 0, classes: Sequence[str] | None = None) -> None:
        self.folder = folder
        self.seed = seed
        self.classes: dict[str, list[str]] = {}
        for name in find_images(folder):
            if classes is None or class_of(name) in classes:
                self.classes.setdefault(class_of(name), []).append(name)
        if not self.classes:
            raise HndescError(
                f"{folder}: no style photo of the classes {', '.join(classes or ())}; correct their names"
            )
        self.read = lru_cache(maxsize=128)(self._read)
        self._usable = cache(self._try)

    def _read(self, name: str) -> np.ndarray:
        return resize_longest(read_image(self.folder / name), _LONGEST)[0]

    def _try(self, name: str) -> bool:
        try:
            self.read(name)
        except ImageError as error:
            logger.warning("style left out: %s", error)
            return False
        return True

    def draw(self, photo: str) -> str:
        """Draw the style of a photo: a class first, so that all are as frequent, then one of its photos.

        The draw depends on the seed, the photo's name and the names of the styles, and on nothing else.
        """
        rng = generator(self.seed, photo)
        classes = {name: list(styles) for name, styles in self.classes.items()}
        while classes:
            name = list(classes)[rng.integers(len(classes))]
            style = classes[name].pop(rng.integers(len(classes[name])))
            if self._usable(style):
                return style
            if not classes[name]:
                del classes[name]
        raise HndescError(f"{self.folder}: none of its style photos can be read; replace them")


def class_of(style: str) -> str:
    """Return the class of a style, the first folder of its relative path."""
    return style.split("/")[0] if "/" in style else FLAT
