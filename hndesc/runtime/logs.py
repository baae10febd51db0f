"""Logging of a pipeline step: to the terminal and to a file, with user errors as one clear line."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hndesc.errors import HndescError, printable
from hndesc.io.files import is_full_disk_error
from hndesc.runtime.extras import extras_named

FORMAT = "%(asctime)s %(levelname)s %(message)s"
_NICENESS = 10


class _OneLine(logging.Formatter):
    """Formats each message as one line, even with line breaks in file names; tracebacks keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        return super().formatMessage(record)


@contextmanager
def step(
    log: str | os.PathLike | None = None, threads: int | None = None, append: bool = False, yields: bool = True
) -> Iterator[None]:
    """Run a step: log to stderr and to `log`, hold libraries to `threads`, exit with 1 on a HndescError.

    Args:
        log: file to create; an existing one is replaced.
        threads: of OpenCV and torch; None leaves them as they are.
        append: leave what is in `log`: other processes of the step write to it, too.
        yields: with `threads`, lower the priority of this process: a training that runs at the same time takes longest,
            and other steps wait for it.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log is not None:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        if not append:
            Path(log).write_bytes(b"")
        handlers.append(logging.FileHandler(log, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(_OneLine(FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    logging.getLogger("hndesc").setLevel(logging.INFO)  # of libraries, only warnings
    if threads is not None:
        limit_threads(threads)
        if yields:
            os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    try:
        with extras_named():
            yield
    except HndescError as error:
        logging.getLogger("hndesc").error("%s", error)
        sys.exit(1)
    except Exception as error:
        if is_full_disk_error(error):
            logging.getLogger("hndesc").error("the disk is full (%s); make room, then run it again", error)
        elif isinstance(error, OSError) and error.errno is not None and error.filename is not None:
            # No permission, a name that is too long, an error of the disk: of the place, and not of the code.
            logging.getLogger("hndesc").error("%s: cannot be used (%s)", os.fsdecode(error.filename), error.strerror)
        else:
            logging.getLogger("hndesc").exception("unexpected error, a fault of hndesc")
        sys.exit(1)


def limit_threads(threads: int) -> None:
    """Hold OpenCV and torch (when it is loaded or will be) to `threads` threads each."""
    import cv2

    cv2.setNumThreads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
