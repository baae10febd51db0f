"""A method with its settings, its styles and its random numbers; and a mixture of several."""

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
    """What one copy is made with; `style` is empty where the method has classes of its own."""

    method: str
    style: str
    group: str


@dataclass(frozen=True)
class Method:
    """A method, ready to be used.

    Attributes:
        name: of the method.
        settings: of the method.
        styles: style photos; None where it needs none.
        classes: to draw from, where it has classes of its own.
        seed: of everything random.
        weight: share of the copies that it makes in a mixture, relative to the others' weights.
    """

    name: str
    settings: Mapping[str, Any]
    styles: Styles | None
    classes: Sequence[str]
    seed: int
    weight: float = 1.0

    def draw(self, key: str) -> Draw:
        """Draw the style of the copy `key`; it depends on the seed, the key and the names of the styles alone."""
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
    """One or more methods; each copy is made by one of them, drawn by their weights."""

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
    """Check settings and return the method, or the mixture, that they describe.

    Args:
        method: one of `hndesc.stylization.METHODS`, or "mixed".
        settings: of the method; none for a mixture.
        methods: of a mixture, by name their settings; `weight` is the share of copies, relative to the others'.
        styles: style photos, where a method needs some.
        classes: to draw from; None for all.
        seed: of everything random.

    Raises:
        HndescError: an unknown method, setting or class, or no styles where they are needed.
    """
    if method != MIXED:
        if methods:
            raise HndescError(f"several stylization methods are given, but the method is '{method}'; call it '{MIXED}'")
        return Mixture([_prepare(method, settings, styles, classes, seed)], seed)
    if settings:
        raise HndescError(f"setting '{min(settings)}' of a mixed stylization: put it under the method that it is for")
    if not methods:
        raise HndescError("a mixed stylization needs methods; name them, each with its settings")
    return Mixture([_prepare(name, methods[name] or {}, styles, classes, seed) for name in sorted(methods)], seed)


def _prepare(
    name: str, settings: Mapping[str, Any], styles: Styles | None, classes: Sequence[str] | None, seed: int
) -> Method:
    known = list(inspect.signature(METHODS.load(name)).parameters)[3:]
    if unknown := sorted(set(settings) - {*known, WEIGHT}):
        raise HndescError(f"unknown setting '{unknown[0]}' of stylization {name}; it has: {', '.join(known)}")
    strength = settings.get("strength", 1)
    if not 0 <= strength <= 1:
        raise HndescError(f"strength of the stylization is {strength}; it must lie between 0 and 1")
    own = {key: value for key, value in settings.items() if key != WEIGHT}
    weight = settings.get(WEIGHT, 1.0)
    if name in CLASSES.places:
        return Method(name, own, None, _choose(name, classes), seed, weight)
    if styles is None:
        raise HndescError(f"stylization {name} needs style photos; name a folder of them, or choose another method")
    return Method(name, own, styles, (), seed, weight)


def _choose(name: str, classes: Sequence[str] | None) -> tuple[str, ...]:
    known = tuple(CLASSES.load(name))
    chosen = known if classes is None else tuple(one for one in known if one in classes)
    if not chosen:
        raise HndescError(
            f"stylization {name} has none of the classes {', '.join(classes or ())}; it has {', '.join(known)}"
        )
    return chosen
