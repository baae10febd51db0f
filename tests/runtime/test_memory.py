"""Freed memory stays in the process, so that the next large array costs no page faults."""

import subprocess
import sys

import pytest

_PROGRAM = """
import resource, numpy
from hndesc.runtime.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        numpy.ones(64 << 20, numpy.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual, kept = faults(), keep_freed_memory()
numpy.ones(64 << 20, numpy.uint8)
print(kept, usual, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_large_arrays_reuse_freed_memory() -> None:
    output = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True).stdout
    kept, usual, after = output.split()
    if kept == "False":
        pytest.skip("no glibc")
    assert int(after) < int(usual) / 4
