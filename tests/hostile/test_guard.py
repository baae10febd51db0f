"""The guard notices what it is there for."""

import time

import numpy as np
import pytest

from hndesc.errors import HndescError
from tests.hostile.guard import outcome, refusal


def refuse(text: str) -> None:
    raise HndescError(text)


def spin() -> None:
    while True:
        pass


def take_memory() -> float:
    return np.ones(200_000_000).sum()


def crash() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_result_and_a_refusal_are_returned() -> None:
    assert outcome(abs, -3) == 3
    assert refusal(refuse, "no such file") == "no such file"


@pytest.mark.parametrize(
    ("function", "what"),
    [(spin, "takes more than 2 s"), (take_memory, "MemoryError"), (crash, "SIGSEGV"), (time.monotonic_ns, "refuse")],
)
def test_errors_are_reported(function, what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        refusal(function)


def test_any_other_exception_fails() -> None:
    with pytest.raises(AssertionError, match="ValueError"):
        outcome(int, "x")


def test_a_message_is_one_line() -> None:
    assert len(refusal(refuse, "a\nb").splitlines()) == 1
