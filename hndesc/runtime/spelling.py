"""What was meant by a misspelled name."""

import difflib
from collections.abc import Iterable

_SUGGESTED = 0.6  # similarity from which on a spelling counts as meant


def suggest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known name nearest to `name`; nothing where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=_SUGGESTED)
    return f"; did you mean '{near[0]}'?" if near else ""
