"""Names for interchangeable parts (detectors, backbones, …), each imported when needed.

Only the part in use is imported, so that its fingerprint (`hndesc.runtime.provenance`) does not cover the others.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
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
        check_arguments(part, settings, f"{self.kind} '{name}'")
        return part(**settings)

    def check(self, name: str, settings: Mapping[str, object]) -> None:
        """Refuse settings that what is registered as `name` does not take; those that it needs may be missing."""
        check_arguments(self.load(name), settings, f"{self.kind} '{name}'", complete=False)


def check_arguments(part: Callable, settings: Mapping[str, object], what: str, complete: bool = True) -> None:
    """Refuse settings that a class or function does not take, or `complete` ones without those that it needs.

    Args:
        part: class or function.
        settings: arguments by name.
        what: it is, for the message.
        complete: whether all required arguments must be there.
    """
    signature = inspect.signature(part)
    try:
        signature.bind(**settings) if complete else signature.bind_partial(**settings)
    except TypeError as error:
        known = ", ".join(signature.parameters) or "none"
        unknown = re.fullmatch("got an unexpected keyword argument (.*)", str(error))
        problem = f" has no setting {unknown[1]}" if unknown else f": {error}"
        if unknown and unknown[1] == "'weights'":
            problem = f" has no weights; leave out {settings['weights']}, or name what it belongs to"
        raise HndescError(f"{what}{problem} (its settings: {known})") from None
