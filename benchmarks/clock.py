"""Processor time of this process and its descendants."""

import os
from collections import defaultdict
from pathlib import Path


def processor_seconds() -> float:
    """Return the processor seconds used by this process and its running and ended descendants (Linux)."""
    ticks, started = {}, defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # the process has ended
            continue
        ticks[int(path.parent.name)] = sum(map(int, fields[11:15]))  # of the process and its ended children
        started[int(fields[1])].append(int(path.parent.name))
    family = [os.getpid()]
    for process in family:
        family += started[process]
    return sum(ticks.get(process, 0) for process in family) / os.sysconf("SC_CLK_TCK")
