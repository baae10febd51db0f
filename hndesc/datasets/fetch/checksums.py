"""Checksums of files for which none is published: the first download records one, and later ones must agree.

They stand in a table that people can commit: name, bytes, sha256 and the address that the file came from.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from hndesc.errors import HndescError
from hndesc.io.lists import read_table, write_table

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
            write_table(self.path, COLUMNS, ((name, *rows[name]) for name in sorted(rows)))

    def _read(self) -> dict[str, tuple[str, str, str]]:
        if not self.path.exists():
            return {}
        rows: dict[str, tuple[str, str, str]] = {}
        for name, size, digest, address in read_table(self.path, COLUMNS, "mend it or delete it"):
            if name in rows or not size.isdecimal() or not re.fullmatch("[0-9a-f]{64}", digest):
                raise HndescError(
                    f"{self.path}: '{name:.100}' is listed twice, or its size or sha256 is none; mend it or delete it"
                )
            rows[name] = size, digest, address
        return rows
