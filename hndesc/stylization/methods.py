"""A stylization method with its settings, styles and seed, and a mixture of several."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hndesc.errors import HndescError
from hndesc.runtime.seeds import generator
from hndesc.stylization import CLASSES, METHODS, MIXED
from hndesc.stylization.styles import Styles, class_of

WEIGHT = "weight"


class Draw(NamedTuple):
    """The method, style and class of one copy; `style` is empty if the method has its own classes."""

    method: str
    style: str
    group: str


@dataclass(frozen=True)
class Method:
    """A configured method.

    Attributes:
        name: name of the method.
        settings: settings of the method.
        styles: style photos, or None if it needs none.
        classes: classes to draw from, if the method has its own classes.
        seed: seed of all random numbers.
        weight: relative share of copies made by this method in a mixture.
    """

    name: str
    settings: Mapping[str, Any]
    styles: Styles | None
    classes: Sequence[str]
    seed: int
    weight: float = 1.0

    def draw(self, key: str) -> Draw:
        """Draw the style of the copy `key`; it depends only on the seed, the key and the names of the styles."""
        if self.styles is not None:
            style = self.styles.draw(key)
            return Draw(self.name, style, class_of(style))
        rng = generator(self.seed, f"{self.name} class\t{key}")
        return Draw(self.name, "", self.classes[int(rng.integers(len(self.classes)))])

    def copy(self, content: np.ndarray, draw: Draw, key: str) -> np.ndarray:
        """Return the copy `key` of a photo (RGB uint8, H x W x 3)."""
        style = draw.group if self.styles is None else self.styles.read(draw.style)
        return METHODS.load(self.name)(content, style, generator(self.seed, f"{self.name}\t{key}"), **self.settings)


class Mixture:
    """One or more methods; each copy is made by one method, drawn by weight."""

    def __init__(self, methods: Sequence[Method], seed: int) -> None:
        self.methods = {method.name: method for method in methods}
        self.seed = seed
        weights = np.array([method.weight for method in methods], np.float64)
        if not (weights >= 0).all() or not weights.sum() > 0:
            raise HndescError("weights of the mixed stylization methods must be 0 or more, and not all 0")
        self._shares = weights / weights.sum()

    def draw(self, key: str) -> Draw:
        """Draw the method and the style of the copy `key`."""
        names = list(self.methods)
        chosen = generator(self.seed, f"method\t{key}").choice(len(names), p=self._shares)
        return self.methods[names[chosen]].draw(key)

    def copy(self, content: np.ndarray, draw: Draw, key: str) -> np.ndarray:
        """Return the copy `key` of a photo (RGB uint8, H x W x 3)."""
        return self.methods[draw.method].copy(content, draw, key)


def prepare(
    method: str,
    settings: Mapping[str, Any],
    methods: Mapping[str, Mapping[str, Any]] | None,
    styles: Styles | None,
    classes: Sequence[str] | None,
    seed: int,
) -> Mixture:
    """Check settings and return the method or mixture that they describe.

    Args:
        method: one of `hndesc.stylization.METHODS`, or "mixed".
        settings: settings of the method; empty for a mixture.
        methods: settings of each method of a mixture, by name; `weight` is the relative share of copies.
        styles: style photos, if a method needs them.
        classes: classes to draw from; None for all.
        seed: seed of all random numbers.

    Raises:
        HndescError: a method, setting or class is unknown, or styles are missing.
    """
    if method != MIXED:
        if methods:
            raise HndescError(f"several stylization methods are given, but the method is '{method}'; call it '{MIXED}'")
        return Mixture([_prepare(method, settings, styles, classes, seed)], seed)
    if settings:
        raise HndescError(
            f"setting '{min(settings)}' of a mixed stylization: move it to the method to which it applies"
        )
    if not methods:
        raise HndescError("a mixed stylization needs methods; name them, each with its settings")
    return Mixture([_prepare(name, methods[name] or {}, styles, classes, seed) for name in sorted(methods)], seed)


def _prepare(
    name: str, settings: Mapping[str, Any], styles: Styles | None, classes: Sequence[str] | None, seed: int
) -> Method:
    known = list(inspect.signature(METHODS.load(name)).parameters)[3:]
    if unknown := sorted(set(settings) - {*known, WEIGHT}):
        raise HndescError(f"unknown setting '{unknown[0]}' of stylization {name}; known: {', '.join(known)}")
    strength = settings.get("strength", 1)
    if not 0 <= strength <= 1:
        raise HndescError(f"strength of the stylization is {strength}; it must be between 0 and 1")
    own = {key: value for key, value in settings.items() if key != WEIGHT}
    weight = settings.get(WEIGHT, 1.0)
    if name in CLASSES.places:
        return Method(name, own, None, _choose_classes(name, classes), seed, weight)
    if styles is None:
        raise HndescError(f"stylization {name} needs style photos; name a folder of them, or choose another method")
    return Method(name, own, styles, (), seed, weight)


def _choose_classes(name: str, classes: Sequence[str] | None) -> tuple[str, ...]:
    known = tuple(CLASSES.load(name))
    chosen = known if classes is None else tuple(one for one in known if one in classes)
    if not chosen:
        raise HndescError(
            f"stylization {name} has none of the classes {', '.join(classes or ())}; known: {', '.join(known)}"
        )
    return chosen
