"""Writing files so that a half-written one is never seen under its final name, and no input is overwritten."""

import errno
import json
import os
import resource
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path

from hndesc.errors import HndescError
from hndesc.io.temporaries import make_temporary

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# With fewer bytes left than this a disk is full.
_SPARE = 2**20
# More bytes than file systems leave unused at the end of a file.
_BLOCK = 2**16
_EXHAUSTED = (
    "cannot be written, since the disk, a quota or the limit on the size of files (ulimit -f) is exhausted; make room, "
    "raise the limit or write elsewhere, then run it again"
)


class _FullDiskError(HndescError):
    """A path, to which no more bytes can be written, and the reason."""

    def __str__(self) -> str:
        return "{}: {}".format(*self.args)


def check_space(path: str | os.PathLike, size: int = 0) -> None:
    """Check that `size` bytes can be written at `path`; errors of libraries on a full disk are not informative.

    Raises:
        HndescError: the disk is full, or the file would exceed the limit on the size of files.
    """
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if size and limit != resource.RLIM_INFINITY and limit < size + _SPARE:
        raise _FullDiskError(path, _EXHAUSTED)
    free = shutil.disk_usage(Path(path).parent).free
    if free < size + _SPARE:
        reason = f"the disk is full ({free / 1e6:.0f} MB are free); make room or write elsewhere, then run it again"
        raise _FullDiskError(path, f"{reason}: it resumes")


def is_full_disk_error(error: BaseException | None) -> bool:
    """Return whether an error or its cause reports a full disk."""
    if error is None:
        return False
    texts = [os.strerror(number) for number in _FULL]
    if getattr(error, "errno", None) in _FULL or any(text in str(error) for text in texts):
        return True
    if isinstance(error, _FullDiskError):
        return True
    return is_full_disk_error(error.__cause__ or error.__context__)


def raise_full_disk(path: str | os.PathLike, error: BaseException) -> None:
    """Raise a HndescError that names `path` where a full disk is the cause of an error of writing it.

    The cause can also be a quota, or a limit on the size of files.
    """
    check_space(path)
    if isinstance(error, _FullDiskError):
        raise _FullDiskError(path, error.args[1]) from None
    if is_full_disk_error(error):
        raise _FullDiskError(path, _EXHAUSTED) from None


def check_whole(path: str | os.PathLike) -> None:
    """Check that a library that ignores a full disk has not truncated a file: that more can be written to it.

    Raises:
        HndescError: the disk, a quota or the limit on the size of files is exhausted.
    """
    with open(path, "r+b", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        try:
            written = stream.write(bytes(_BLOCK))
            os.fsync(stream)
        except OSError as error:
            raise_full_disk(path, error)
            raise
        finally:
            stream.truncate(size)
        if written < _BLOCK:
            raise _FullDiskError(path, _EXHAUSTED)


@contextmanager
def named_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turn an OSError of the block, other than a full disk, into a HndescError that names `path`."""
    try:
        yield
    except OSError as error:
        if is_full_disk_error(error):
            raise
        raise HndescError(f"{path}: cannot be written ({error.strerror}); choose another place") from None


def check_parent(path: str | os.PathLike) -> None:
    """Refuse a path that cannot be created: within a file, or within a folder without permission to write."""
    parent = Path(path).parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        raise HndescError(f"{path}: cannot be written, since {parent} is not a folder; choose another place")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise HndescError(f"{path}: no permission to write in {parent}; choose another place")


def check_output_file(path: str | os.PathLike, inputs: Iterable[str | os.PathLike] = ()) -> Path:
    """Refuse an output file that cannot be written or would destroy an input; long steps call this before the work.

    Args:
        path: of the output. A link is followed. A regular file is replaced; a folder, FIFO, socket or device is not.
        inputs: files that the step reads.

    Returns:
        The file that is to be written: `path`, or what it links to.
    """
    with named_errors(path):
        target = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
        check_parent(target)
        try:
            found = os.stat(target)
        except FileNotFoundError:
            return target
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a FIFO, socket or device"
        raise HndescError(f"{path}: {kind} exists under the name of this output file; choose another name")
    for source in inputs:
        if os.path.exists(source) and os.path.samestat(found, os.stat(source)):
            raise HndescError(f"{path}: writing it would destroy the input {source}; choose another output")
    return target


def check_output_files(paths: Iterable[str | os.PathLike | None], inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Check several files by `check_own_file`; refuse two that are the same, skip None."""
    inputs = list(inputs)
    seen: dict[str, str | os.PathLike] = {}
    for path in paths:
        if path is None:
            continue
        check_own_file(path, inputs)
        other = seen.setdefault(os.path.realpath(path), path)
        if other is not path:
            raise HndescError(f"{path}: named for two outputs; give each a name of its own")


def names_hndesc(content: mmap) -> bool:
    """Return whether a file names hndesc, as its figures, checkpoints, ONNX and TorchScript files do."""
    return content.find(b"hndesc") >= 0


def can_be_ours(content: mmap) -> bool:
    """Return whether hndesc can have made a file: text, or a file that names hndesc."""
    return content.find(b"\0") < 0 or names_hndesc(content)


def check_own_file(
    path: str | os.PathLike,
    inputs: Iterable[str | os.PathLike] = (),
    made: Callable[[mmap], bool] = can_be_ours,
) -> None:
    """Check as `check_output_file` does, and refuse to replace a file that hndesc cannot have made.

    Args:
        path: the output.
        inputs: files that the step reads.
        made: returns whether hndesc can have made a file of this content; an empty file is always replaced.
    """
    target = check_output_file(path, inputs)
    if not target.exists() or not target.stat().st_size:
        return
    # Mapped, not read: a foreign file can be larger than the memory.
    with named_errors(path), open(target, "rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        if made(content):
            return
    raise HndescError(f"{path}: exists and was not made by hndesc; move it away or choose another place")


def check_text_file(path: str | os.PathLike, beginning: str) -> None:
    """Refuse to replace a text file that a step writes under a fixed name, unless it begins as ours does."""
    start = beginning.encode()
    check_own_file(path, made=lambda content: content[: len(start)] == start)


def check_json_file(path: str | os.PathLike, inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Check as `check_own_file` does; of text files, only JSON objects are replaced."""
    check_own_file(path, inputs, made=lambda content: content[:1] == b"{" and content.find(b"\0") < 0)


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary name next to `path` (same suffix) that becomes `path` when the block succeeds.

    Temporary files that killed runs left in the folder are removed.

    Raises:
        HndescError: before the block, where `path` cannot be written (see `check_output_file`).
    """
    path = check_output_file(path)
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = make_temporary(path)
    try:
        yield temporary
        # mkstemp gives 0600; a result should have the permissions of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except Exception as error:
        raise_full_disk(path, error)
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
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise HndescError(f"{path}: a folder, FIFO or device, not a JSON file")
        data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise HndescError(f"{path}: no such file; the step that makes it has not run") from None
    except OSError as error:
        raise HndescError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise HndescError(f"{path}: not valid JSON ({error}); delete it and make it again") from None
    if not isinstance(data, dict):
        raise HndescError(f"{path}: not a JSON object; delete it and make it again")
    return data
