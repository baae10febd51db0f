"""Style photos in a folder, flat or with one sub-folder per class, and the random choice of a style per photo."""

import logging
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from hndesc.errors import HndescError, ImageError
from hndesc.io.images import find_images, read_image, resize_longest
from hndesc.runtime.seeds import generator

logger = logging.getLogger(__name__)

FLAT = "all"  # class of the style photos outside of sub-folders
_LONGEST = 512  # pixels; larger styles have the same color statistics


class Styles:
    """The style photos of a folder; unreadable ones are skipped with a warning.

    Args:
        folder: folder of style photos, in one sub-folder per class or directly in it.
        seed: seed of the random choice.
        classes: classes to draw from; None for all.

    Raises:
        HndescError: there is no style photo of these classes.
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
            logger.warning("style photo skipped: %s", error)
            return False
        return True

    def draw(self, photo: str) -> str:
        """Draw the style of a photo: first a class, so that all are equally frequent, then one of its photos.

        The choice depends only on the seed, the name of the photo and the names of the styles.
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
