"""Errors for the user."""

import os
import re
from numbers import Integral

# Largest whole number in settings and options: beyond it, libraries in C fail, long after these were read.
LARGEST = 2**31 - 1


class HndescError(Exception):
    """Invalid input or settings; the message, one line, names the file or key and the solution."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ImageError(HndescError):
    """An unreadable image; benchmarks can count it as a failure instead of stopping."""


class MissingWeightsError(HndescError):
    """Pretrained weights are missing; callers add how to give the file."""

    def __str__(self) -> str:
        return printable(f"{self.args[0]}; give the file as the argument, or key of the configuration, weights")


def check_count(name: str, value: object) -> int | None:
    """Return the value of a setting that is None or a whole number from 1 on; anything else is a HndescError."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or value < 1):
        raise HndescError(f"{name} is {value!r:.60}; expected a whole number from 1 on, or None")
    return None if value is None else int(value)


def printable(name: str | os.PathLike) -> str:
    """Return a name for a message, with unprintable characters (line breaks, invalid UTF-8) escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(name))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 query", "2 matches" or "1,200 queries"."""
    if number != 1:
        if re.search("[^aeiou]y$", noun):
            noun = f"{noun[:-1]}ies"
        else:
            noun += "es" if re.search("([sx]|[cs]h)$", noun) else "s"
    return f"{number:,} {noun}"


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or its type."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
