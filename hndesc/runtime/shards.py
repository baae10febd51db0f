"""Shards of a list of items, for jobs that share the work: "2-of-5" is the second of five."""

from collections.abc import Sequence
from typing import TypeVar

from hndesc.errors import HndescError

Item = TypeVar("Item")


def read_part(part: str) -> tuple[int, int]:
    """Return the number of a part, from 1, and how many there are.

    Raises:
        HndescError: text that names no part.
    """
    number, _, count = part.partition("-of-")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise HndescError(f"'{part}' is not a shard; expected a form like 2-of-5")
    return int(number), int(count)


def block_of(items: Sequence[Item], part: str | None) -> Sequence[Item]:
    """Return one of n stretches of a list, as even as they can be: neighbors, which share images, stay together.

    Args:
        items: the whole list.
        part: "i-of-n"; None for all. There may be fewer items than parts: then some are empty.
    """
    if part is None:
        return items
    number, count = read_part(part)
    return items[len(items) * (number - 1) // count : len(items) * number // count]
