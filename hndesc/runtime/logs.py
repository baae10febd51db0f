"""Logging of a pipeline step: to the terminal and to a file, with user errors as one clear line."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hndesc.errors import HndescError
from hndesc.io.files import tells_of_full_disk
from hndesc.runtime.extras import extras_named

FORMAT = "%(asctime)s %(levelname)s %(message)s"


@contextmanager
def step(log: str | os.PathLike | None = None, threads: int | None = None, append: bool = False) -> Iterator[None]:
    """Run a step: log to stderr and to `log`, hold libraries to `threads`, exit with 1 on a HndescError.

    Args:
        log: file to create; an existing one is replaced.
        threads: of OpenCV and torch; None leaves them as they are.
        append: leave what is in `log`: other processes of the step write to it, too.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log is not None:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        if not append:
            Path(log).write_bytes(b"")
        handlers.append(logging.FileHandler(log, encoding="utf-8"))
    logging.basicConfig(level=logging.INFO, format=FORMAT, handlers=handlers, force=True)
    if threads is not None:
        limit_threads(threads)
    try:
        with extras_named():
            yield
    except HndescError as error:
        logging.getLogger("hndesc").error("%s", error)
        sys.exit(1)
    except Exception as error:
        if tells_of_full_disk(error):
            logging.getLogger("hndesc").error("the disk is full (%s); make room, then run it again", error)
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
