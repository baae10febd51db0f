"""Photorealistic stylization: the same scene in another light, with every edge where it was.

A method is a function `(content, style, rng, strength=..., **settings) -> stylized`: `content` and the result are RGB,
uint8, H x W x 3, of one size; `style` is such a photo of any size or, for a method that knows classes of light itself,
the name of one. All that is random comes from `rng`. A strength of 0 leaves the content, 1 is the full change of light.
"""

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

# The classes of light of the methods that need no style photographs.
CLASSES = Registry("stylization method with own classes", {"relighting": "hndesc.stylization.relighting:CLASSES"})

# One of several methods for each copy.
MIXED = "mixed"


def methods_of(method: str, methods: dict | None = None) -> list[str]:
    """Return the names of the methods that a config's `stylization` uses: one, or those of a mixture."""
    return sorted(methods or {}) if method == MIXED else [method]


def needs_styles(method: str, methods: dict | None = None) -> bool:
    """Return whether any method of a config's `stylization` takes its light from style photographs."""
    return any(name not in CLASSES.places for name in methods_of(method, methods))
