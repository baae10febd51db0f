"""Information about a file from the response to a download request."""

from typing import Any

import requests

from hndesc.datasets.fetch.connection import PermanentFailure, TransientFailure
from hndesc.datasets.fetch.contents import is_text

_PAGES = ("text/html", "application/xhtml", "application/json", "application/xml", "text/xml")


def check_kind(response: requests.Response, name: str, *, known: bool) -> None:
    """Check that a response contains the file itself.

    Args:
        response: response to the request.
        name: name of the file.
        known: whether its checksum is known.

    Raises:
        PermanentFailure: the response is a web page, or the file is compressed for transfer.
    """
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith(_PAGES[0] if known else _PAGES) and not is_text(name):
        raise PermanentFailure("the server sent a web page instead of the file (sign-in, consent or quota?)")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    # Some servers declare this encoding for compressed archives.
    own = coding in ("gzip", "x-gzip") and name.lower().endswith((".gz", ".tgz"))
    if coding not in ("", "identity") and not known and not own:
        raise PermanentFailure(f"the server sent the file compressed (Content-Encoding: {coding:.40})")


def content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """Return the first byte and the total of a header like `bytes 5-9/10` or `bytes */10`."""
    part, _, total = response.headers.get("Content-Range", "").removeprefix("bytes").strip().partition("/")
    return number(part.partition("-")[0]), number(total)


def file_properties(response: requests.Response, total: int | None) -> dict[str, Any]:
    """Return length, entity tag and modification date of the whole file from a response."""
    headers = response.headers
    return {"total": total, "etag": headers.get("ETag"), "modified": headers.get("Last-Modified")}


def read_chunk(response: requests.Response, most: int) -> bytes:
    """Return at most `most` received bytes, not decoded; empty at the end."""
    try:
        return response.raw.read1(most, decode_content=False)
    except OSError as error:
        raise TransientFailure(f"the connection broke ({error})") from None


def number(text: str | None) -> int | None:
    """Return the number in a header, or None."""
    return int(text) if text is not None and text.strip().isdecimal() and len(text) < 19 else None
