"""Recorded checksums of files without a published one: the first download records it, later ones must match.

The table (name, bytes, sha256 and source address) can be committed to version control.
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
    """The table at `path`, which need not exist yet."""

    path: Path

    def find(self, name: str) -> str | None:
        """Return the recorded SHA-256 of a file in hexadecimal, or None."""
        return self._read().get(name, (None, None, None))[1]

    def record(self, name: str, size: int, sha256: str, address: str) -> None:
        """Record the checksum of a file; raise a HndescError if a different one is recorded for its name."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            rows = self._read()
            if name in rows:
                if rows[name][1] != sha256:
                    raise HndescError(f"{self.path}: the recorded checksum of {name} differs from {sha256}")
                return
            rows[name] = str(size), sha256, address
            write_table(self.path, COLUMNS, ((name, *rows[name]) for name in sorted(rows)))

    def _read(self) -> dict[str, tuple[str, str, str]]:
        if not self.path.exists():
            return {}
        rows: dict[str, tuple[str, str, str]] = {}
        for name, size, digest, address in read_table(self.path, COLUMNS, "repair or delete it"):
            if name in rows or not size.isdecimal() or not re.fullmatch("[0-9a-f]{64}", digest):
                raise HndescError(
                    f"{self.path}: '{name:.100}' is listed twice, or its size or sha256 is invalid; repair or delete it"
                )
            rows[name] = size, digest, address
        return rows
