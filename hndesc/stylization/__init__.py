"""Photorealistic stylization: the same scene in different illumination, with all edges preserved.

A method is a function `(content, style, rng, strength=..., **settings) -> stylized`. `content` and the result are RGB
uint8 images, H x W x 3, of the same size. `style` is an image of any size or, for a method with its own illumination
classes, the name of a class. All random numbers come from `rng`. A strength of 0 returns the content unchanged; 1 is
the full change.
"""

from collections.abc import Mapping
from typing import Any

from hndesc.runtime.plugins import Registry

METHODS = Registry(
    "stylization method",
    {
        "local": "hndesc.stylization.local:stylize",
        "monge_kantorovich": "hndesc.stylization.monge_kantorovich:stylize",
        "relighting": "hndesc.stylization.relighting:stylize",
        "wct2": "hndesc.stylization.wct2:stylize",
    },
)

# Illumination classes of the methods that need no style photos.
CLASSES = Registry("stylization method with own classes", {"relighting": "hndesc.stylization.relighting:CLASSES"})

# One of several methods for each copy.
MIXED = "mixed"


def methods_of(method: str, methods: Mapping[str, Any] | None = None) -> list[str]:
    """Return the names of the methods of a `stylization` section: one, or those of a mixture."""
    return sorted(methods or {}) if method == MIXED else [method]


def needs_styles(method: str, methods: Mapping[str, Any] | None = None) -> bool:
    """Return whether any method of a `stylization` section needs style photos."""
    return any(name not in CLASSES.places for name in methods_of(method, methods))
