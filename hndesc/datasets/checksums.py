"""Checksums of files for which none is published: the first download records one, and later ones must agree.

They stand in a table that people can commit: name, bytes, sha256 and the address that the file came from.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from hndesc.errors import HndescError
from hndesc.files import write_text

COLUMNS = ("name", "size", "sha256", "address")


@dataclass(frozen=True)
class Checksums:
    """The table at `path`; it need not exist yet."""

    path: Path

    def find(self, name: str) -> str | None:
        """Return the recorded SHA-256 of a file, in hexadecimal; None if there is none yet."""
        return self._read().get(name, (None, None, None))[1]

    def record(self, name: str, size: int, sha256: str, address: str) -> None:
        """Record a file's checksum; another one for the same name is a HndescError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            rows = self._read()
            if name in rows:
                if rows[name][1] != sha256:
                    raise HndescError(f"{self.path}: records another checksum of {name} than {sha256}")
                return
            rows[name] = str(size), sha256, address
            lines = ["\t".join((name, *rows[name])) for name in sorted(rows)]
            write_text(self.path, "\n".join(["\t".join(COLUMNS), *lines]) + "\n")

    def _read(self) -> dict[str, tuple[str, str, str]]:
        if not self.path.is_file():
            return {}
        with open(self.path, encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
            raise HndescError(f"{self.path}: not a table of checksums ({', '.join(COLUMNS)}); mend it or delete it")
        return {name: (size, digest, address) for name, size, digest, address in rows[1:]}
