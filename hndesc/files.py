"""Writing files so that a half-written one is never seen under its final name."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hndesc.errors import HndescError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# With fewer bytes left than this a disk is full.
_SPARE = 2**20


def check_space(path: str | os.PathLike, size: int = 0) -> None:
    """Make sure that `size` bytes can be written at `path`; what libraries make of a full disk tells nobody anything.

    Raises:
        HndescError: the disk is full.
    """
    free = shutil.disk_usage(Path(path).parent).free
    if free < size + _SPARE:
        raise HndescError(
            f"{path}: the disk is full ({free / 1e6:.0f} MB are free); make room or write elsewhere, then run it "
            "again: it goes on where it was"
        )


def tells_of_full_disk(error: BaseException | None) -> bool:
    """Return whether an error, or what led to it, says that nothing more can be written."""
    if error is None:
        return False
    texts = [os.strerror(number) for number in _FULL]
    if getattr(error, "errno", None) in _FULL or any(text in str(error) for text in texts):
        return True
    return tells_of_full_disk(error.__cause__ or error.__context__)


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary name beside `path` (same suffix) that becomes `path` when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp gives 0600; a result should have the permissions of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except Exception:
        check_space(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, data: Mapping | list) -> None:
    """Write `data` as strict JSON (NaN and infinity are refused), atomically."""
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike) -> dict:
    """Read a JSON file; a missing or broken one is an error that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HndescError(f"{path}: no such file; the step that makes it has not run") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise HndescError(f"{path}: not valid JSON ({error}); delete it and make it again") from None
