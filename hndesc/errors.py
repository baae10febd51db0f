"""Errors that a user is meant to read."""

import os


class HndescError(Exception):
    """Bad input or settings: the message names the file or key and the cure, in one sentence or two."""


class ImageError(HndescError):
    """A photo that cannot be read; benchmarks may count it as a failure instead of stopping."""


class MissingWeightsError(HndescError):
    """Published weights that were not given, or whose file is not there; callers say how to give it in their words."""

    def __str__(self) -> str:
        return f"{self.args[0]}; give the file as the argument, or key of the configuration, weights"


def printable(name: str | os.PathLike) -> str:
    """Return a name for a message: on one line, and as escapes what no terminal shows (line breaks, bad UTF-8)."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(name))


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or its type."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
