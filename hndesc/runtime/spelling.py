"""Suggestions for misspelled names."""

import difflib
from collections.abc import Iterable

_SUGGESTED = 0.6  # minimum similarity of a suggestion


def suggest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known name closest to `name`; empty if none is close."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=_SUGGESTED)
    return f"; did you mean '{near[0]}'?" if near else ""
