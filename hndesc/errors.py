"""Errors for the user."""

import os


class HndescError(Exception):
    """Invalid input or settings; the message names the file or key and the solution."""


class ImageError(HndescError):
    """An unreadable image; benchmarks can count it as a failure instead of stopping."""


class MissingWeightsError(HndescError):
    """Pretrained weights are missing; callers add how to give the file."""

    def __str__(self) -> str:
        return f"{self.args[0]}; give the file as the argument, or key of the configuration, weights"


def printable(name: str | os.PathLike) -> str:
    """Return a name for a message, with unprintable characters (line breaks, invalid UTF-8) escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(name))


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or its type."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
