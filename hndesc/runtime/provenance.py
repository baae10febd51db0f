"""Where a result came from: fingerprints of the code that makes it, and the versions of what it ran on."""

import ast
import hashlib
import os
import platform
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path

from hndesc import __version__

PACKAGE = Path(__file__).parents[1]
_BLOCK = 4096
# Where statements hold others: in lists of statements, exception handlers and cases.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def fingerprint(*modules: str) -> str:
    """Hash the code of `modules` (dotted, below hndesc) and of every hndesc module that they import.

    Comments, docstrings and layout do not count, so that only a change of what the code does makes
    Snakemake run a step again.
    """
    digest = hashlib.sha256()
    for name in sorted(covered(*modules)):
        digest.update(f"{name}\n{_code(name)[0]}\n".encode())
    return digest.hexdigest()[:16]


def covered(*modules: str) -> set[str]:
    """Return the modules whose code the fingerprint of `modules` covers: them, and all that they import."""
    found: set[str] = set()
    waiting = [name if name.startswith("hndesc") else f"hndesc.{name}" for name in modules]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_code(name)[1])
    return found


@cache
def _code(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the normal form of a module's code and the hndesc modules that it imports, parents included."""
    path = _path(name)
    if path is None:
        raise ModuleNotFoundError(f"{name}: no such module of hndesc to take a fingerprint of")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = set()
    for node in _statements(tree):
        imported.update(_imports(node))
        _strip_docstring(node)
    parents = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
    return ast.dump(tree), tuple(sorted(imported | parents - {"hndesc"}))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and the statements within it; an expression, of which most nodes are part, holds none."""
    yield node
    for field in _BLOCKS:
        for inner in getattr(node, field, ()):
            yield from _statements(inner)


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        names = []
    return [name for name in names if name.startswith("hndesc.") and _path(name)]


def _path(name: str) -> Path | None:
    base = PACKAGE.joinpath(*name.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _strip_docstring(node: ast.AST) -> None:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
            node.body = node.body[1:]


def versions() -> dict[str, str]:
    """Return the versions of Python, hndesc and those of the libraries that figures depend on that are installed."""
    found = {"python": platform.python_version(), "hndesc": __version__}
    for name in ("numpy", "opencv-python-headless", "poselib", "pycolmap", "torch"):
        with suppress(metadata.PackageNotFoundError):  # of an extra that is not installed
            found[name] = metadata.version(name)
    return found


def file_hash(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_identity(path: str | Path) -> str:
    """Return the identity of a file, which changes when it is replaced: real path and the state of `file_state`."""
    place = os.path.realpath(path)
    return f"{place}\t{file_state(place)}"


def file_state(path: str | Path) -> str:
    """Return size, time of the last change and `file_sample` of a file; a copy that keeps times has the same.

    Empty for a file that cannot be read; the step that reads it reports the error.
    """
    try:
        status = os.stat(path)
        sample = file_sample(path, status.st_size) if stat.S_ISREG(status.st_mode) else ""
    except OSError:
        return ""
    return f"{status.st_size}\t{status.st_mtime_ns}\t{sample}"


def file_sample(path: str | Path, size: int) -> str:
    """Hash the first, the middle and the last 4 KiB of a regular file; 16 hexadecimal digits.

    Files of equal size and time are distinguished by it, without reading them whole.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        starts = (0, (size - _BLOCK) // 2, size - _BLOCK) if size > 3 * _BLOCK else range(0, size, _BLOCK)
        blocks = b"".join(os.pread(file, _BLOCK, start) for start in starts)
    finally:
        os.close(file)
    return hashlib.blake2b(blocks, digest_size=8).hexdigest()
