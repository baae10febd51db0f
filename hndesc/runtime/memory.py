"""Memory of this process between large temporary arrays."""

import ctypes
import sys
from functools import cache

# Parameters of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEPT = 256 << 20


@cache
def keep_freed_memory(kept: int = KEPT) -> bool:
    """Keep up to `kept` bytes of freed memory in this process instead of returning them to the system at once.

    By default, glibc asks the system for the memory of each array above 32 MiB and returns what is free at the end of
    the heap. The system then clears each page again: a tenth to a third of the time of a network that describes one
    image after another.

    Returns:
        Whether the C library has this setting; elsewhere nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and all(mallopt(which, kept) for which in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
