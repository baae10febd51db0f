"""Text lists: the one reader and writer of lines, names, numbers and tables of tab-separated cells.

Text is UTF-8, with or without a byte-order mark, with line ends of any system. A name that holds blanks is followed by
a tab; lists of other programs, whose names hold none, have blanks or tabs between their fields.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.files import atomic_path, check_own_file, write_text

# Characters of a line: no list has longer ones, and a file without line ends must not fill the memory.
_LONGEST = 2**24
_BLANKS = " \t\r\f\v"
# Without str.split: to it, a no-break space in a name is a blank as well.
_FIELD = re.compile(f"[^{_BLANKS}]+")


def text_lines(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    """Yield ("file:line", line without its end) of a text file, one line at a time.

    Raises:
        HndescError: no such file, not a regular file, not UTF-8, or a line that is no text.
    """
    if not os.path.isfile(path):
        raise HndescError(f"{path}: {'not a regular file' if os.path.lexists(path) else 'no such file'}")
    number = 0
    try:
        with open(path, encoding="utf-8-sig") as stream:
            while line := stream.readline(_LONGEST + 1):
                number += 1
                if len(line) > _LONGEST or "\0" in line:
                    raise HndescError(f"{path}:{number}: not a line of text (too long, or with a NUL byte)")
                # Lists that were put together from several keep a mark where each began.
                yield f"{path}:{number}", line.rstrip("\n").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise HndescError(f"{path}: not a text file in UTF-8 ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise HndescError(f"{path}: cannot be read ({error.strerror})") from None


def read_lines(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    """Yield ("file:line", line) of each line that is neither blank nor a comment (#), without blanks at its ends."""
    for place, line in text_lines(path):
        line = line.strip(_BLANKS)
        if line and not line.startswith("#"):
            yield place, line


def split(line: str) -> list[str]:
    """Return the fields of a line between blanks and tabs."""
    return line.split() if line.isascii() else _FIELD.findall(line)


def split_name(line: str, count: int, place: str, form: str) -> tuple[str, list[str]]:
    """Split a line into a name, which may hold blanks, and the `count` fields after it, of which the first is a number.

    Raises:
        HndescError: another number of fields; the message names `place` and the `form` that is expected.
    """
    name, tab, rest = line.partition("\t")
    fields = split(rest)
    if not tab or len(fields) != count:
        name, *fields = line.rsplit(None, count)
        if len(fields) != count or _ends_in_number(name):
            raise HndescError(f"{place}: expected '{form}', found {len(split(line))} fields")
    return name.strip(_BLANKS), fields


def _ends_in_number(name: str) -> bool:
    """Return whether the last of several fields is a number, and so a surplus field rather than part of a name."""
    try:
        return bool([float(field) for field in split(name)[1:][-1:]])
    except ValueError:
        return False


def split_pair(line: str, place: str) -> tuple[str, str]:
    """Split a line into two names: at a tab if there is one, which names that hold blanks need.

    Raises:
        HndescError: not two names.
    """
    names = [name for name in (part.strip(_BLANKS) for part in line.split("\t")) if name]
    if len(names) != 2:
        names = split(line)
    if len(names) != 2:
        raise HndescError(
            f"{place}: expected two image names, found {len(names)} fields; put a tab between names that hold blanks"
        )
    return names[0], names[1]


def read_pairs(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    """Yield the pairs of names of a list, `name name` a line; a malformed line raises a HndescError."""
    for place, line in read_lines(path):
        yield split_pair(line, place)


def distinct_pairs(pairs: Iterable[tuple[str, str]], place: str | os.PathLike = "pairs") -> list[tuple[str, str]]:
    """Return pairs in their order, each once: of a pair and its reverse, the first.

    Raises:
        HndescError: an image is paired with itself; the message names `place`.
    """
    found: dict[frozenset[str], tuple[str, str]] = {}
    for pair in pairs:
        if pair[0] == pair[1]:
            raise HndescError(f"{place}: '{pair[0]}' is paired with itself; remove the pair")
        found.setdefault(frozenset(pair), pair)
    return list(found.values())


def numbers(fields: Iterable[str], place: str) -> list[float]:
    """Return `fields` as finite numbers; a HndescError names `place` otherwise."""
    values = []
    for field in fields:
        try:
            values.append(float(field.replace("_", "?")))  # Python reads 1_0 as 10
        except ValueError:
            raise HndescError(f"{place}: {field!r:.40} is not a number") from None
    if not np.isfinite(values).all():
        raise HndescError(f"{place}: a number is not finite")
    return values


def whole(field: str, place: str) -> int:
    """Return a field as a whole number from 0 on; a HndescError names `place` otherwise."""
    if not re.fullmatch(r"[0-9]{1,18}", field):
        raise HndescError(f"{place}: {field!r:.40} is not a whole number")
    return int(field)


def list_name(name: str) -> str:
    """Return a name if a list can hold it, else raise a HndescError that names it."""
    if not re.fullmatch(r"(?![ #])[^\0-\x1f\x7f\ufeff\ud800-\udfff]+(?<! )", name):
        raise HndescError(
            f"the name {name!r} cannot be written to a list (a tab, line break or other control character, a '#' or "
            "blank at its start, a blank at its end, or bytes that are not UTF-8); rename the file"
        )
    return name


def check_below(name: str, place: str) -> str:
    """Return a name of a list if it is one of a file below a folder, else raise a HndescError that begins with `place`.

    Names become paths, of files that are written too: none may lead out of its folder.
    """
    path = PurePosixPath(name)
    if not name.isprintable() or path.is_absolute() or ".." in path.parts or not path.name:
        raise HndescError(f"{place} {name!r:.100} is not the name of a file in the folder")
    return name


def write_pairs(path: str | os.PathLike, pairs: Iterable[tuple[str, str]]) -> None:
    """Write a pair of names a line, as `split_pair` reads it: with a tab between names of which one holds a blank."""
    lines = []
    for first, second in pairs:
        between = "\t" if set(_BLANKS) & {*first, *second} else " "
        lines.append(f"{list_name(first)}{between}{list_name(second)}\n")
    check_own_file(path)
    write_text(path, "".join(lines))


def write_table(path: str | os.PathLike, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table: a line of column names, then a line of tab-separated cells for each row.

    Raises:
        HndescError: a cell that `check_cell` refuses; `one_line` makes free text fit.
    """
    check_own_file(path)
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        stream.write("\t".join(columns) + "\n")
        for row in rows:
            stream.write("\t".join(check_cell(str(cell), path) for cell in row) + "\n")


def check_cell(cell: str, path: str | os.PathLike) -> str:
    """Return a cell if the table at `path` can hold it, else raise a HndescError."""
    if re.search("[\t\n\r\0\ud800-\udfff]", cell):
        raise HndescError(
            f"{path}: cannot hold {cell!r} (a tab, a line break or bytes that are not UTF-8); rename the file"
        )
    return cell


def one_line(text: object) -> str:
    """Return a message without tabs and line breaks."""
    return " ".join(re.split("[\t\n\r\0\ud800-\udfff]+", str(text)))


def read_table(path: str | os.PathLike, columns: Sequence[str], cure: str = "make it again") -> list[list[str]]:
    """Read a table that `write_table` has written; a HndescError with the `cure` for anything else."""
    if not os.path.lexists(path):
        raise HndescError(f"{path}: no such file; {cure}")
    rows = [line.split("\t") for _, line in text_lines(path) if line]
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != len(columns)), None)
    if not rows or rows[0] != list(columns) or wrong is not None:
        where = f" (row {wrong})" if wrong else ""
        raise HndescError(f"{path}: not a table of the columns {', '.join(columns)}{where}; {cure}")
    return rows[1:]


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return a line for each row of cells, in columns: the first `left` ones to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
