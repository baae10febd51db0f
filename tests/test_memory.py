"""Memory that is given back to the system."""

import subprocess
import sys

import pytest

# Large blocks are freed below small ones that stay: the heap cannot shrink from its end.
SCRIPT = """
import resource
from hndesc.memory import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

blocks = [bytearray(100_000) for _ in range(2000)]
stay = [bytearray(2_000) for _ in range(50)]
del blocks
before = resident()
give_back()
print(before, resident())
"""


def test_freed_blocks_below_living_ones_are_given_back():
    if not sys.platform.startswith("linux"):
        pytest.skip("tells of Linux")
    shown = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout
    before, after = map(int, shown.split())
    assert after < before - 100_000_000
