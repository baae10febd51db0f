"""Names for interchangeable parts (detectors, backbones, …), each imported when needed.

Only the part in use is imported, so that its fingerprint (`hndesc.runtime.provenance`) does not cover the others.
"""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from hndesc.errors import HndescError
from hndesc.runtime.extras import extras_named
from hndesc.runtime.spelling import suggest


def load_place(place: str) -> Any:
    """Import and return what a place, "module:attribute", names; a package that it misses is a HndescError."""
    module, _, attribute = place.partition(":")
    with extras_named():
        return getattr(importlib.import_module(module), attribute)


def module_of(place: str) -> str:
    """Return the module of a place, "module:attribute"."""
    return place.partition(":")[0]


class Registry:
    """Map names to "module:attribute" places below the package."""

    def __init__(self, kind: str, places: Mapping[str, str]) -> None:
        self.kind = kind
        self.places = dict(places)

    def module(self, name: str) -> str:
        """Return the module that holds `name`, without importing it; an unknown name is a HndescError."""
        if name not in self.places:
            known = ", ".join(sorted(self.places))
            raise HndescError(f"unknown {self.kind} '{name}'{suggest(name, self.places)}; choose one of: {known}")
        return self.places[name].partition(":")[0]

    def load(self, name: str) -> Any:
        """Import and return the class or function registered as `name`."""
        self.module(name)
        return load_place(self.places[name])

    def build(self, name: str, /, **settings: Any) -> Any:
        """Call what is registered as `name` with `settings`; one that it does not take is a HndescError."""
        part = self.load(name)
        try:
            inspect.signature(part).bind(**settings)
        except TypeError as error:
            known = ", ".join(inspect.signature(part).parameters)
            raise HndescError(f"{self.kind} '{name}': {error} (its settings: {known or 'none'})") from None
        return part(**settings)
