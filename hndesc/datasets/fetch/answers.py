"""What the answer to a request for a file tells of it."""

from typing import Any

import requests

from hndesc.datasets.fetch.connection import Passing, Unusable
from hndesc.datasets.fetch.contents import is_text

_PAGES = ("text/html", "application/xhtml", "application/json", "application/xml", "text/xml")


def check_kind(response: requests.Response, name: str, *, known: bool) -> None:
    """Make sure that an answer is about to send a file as it is.

    Args:
        response: the answer.
        name: of the file.
        known: whether a checksum will decide.

    Raises:
        Unusable: it announces a page, or the file in a compressed form.
    """
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith(_PAGES[0] if known else _PAGES) and not is_text(name):
        raise Unusable("sent a web page instead of the file (sign-in, consent or quota?)")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    # Some servers call an archive that is compressed itself a compressed one.
    own = coding in ("gzip", "x-gzip") and name.lower().endswith((".gz", ".tgz"))
    if coding not in ("", "identity") and not known and not own:
        raise Unusable(f"sends the file in another form (Content-Encoding: {coding:.40})")


def content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """Return the first byte and the total of a header like `bytes 5-9/10` or `bytes */10`."""
    part, _, total = response.headers.get("Content-Range", "").removeprefix("bytes").strip().partition("/")
    return number(part.partition("-")[0]), number(total)


def told_of(response: requests.Response, total: int | None) -> dict[str, Any]:
    """Return what an answer tells of the whole file: its length, tag and date."""
    headers = response.headers
    return {"total": total, "etag": headers.get("ETag"), "modified": headers.get("Last-Modified")}


def read_arrived(response: requests.Response, most: int) -> bytes:
    """Return what has arrived, as it was sent, at most so many bytes; empty at the end."""
    try:
        return response.raw.read1(most, decode_content=False)
    except OSError as error:
        raise Passing(f"the connection broke ({error})") from None


def number(text: str | None) -> int | None:
    """Return the number that a header holds; None if it holds none."""
    return int(text) if text is not None and text.strip().isdecimal() and len(text) < 19 else None
