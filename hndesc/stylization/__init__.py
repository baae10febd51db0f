"""Photorealistic stylization: the same scene in another light, with every edge where it was.

A method is a function `(content, style, strength=..., **settings) -> stylized`; all three are RGB, uint8, H x W x 3,
and the result has the content's size. A strength of 0 leaves the content, 1 is the full style.
"""

from hndesc.registry import Registry

METHODS = Registry(
    "stylization method",
    {"monge_kantorovich": "hndesc.stylization.monge_kantorovich:stylize"},
)
