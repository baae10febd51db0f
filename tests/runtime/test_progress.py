"""Lines of progress by a clock of our own."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hndesc.runtime.progress import ProgressLines


def clock(seconds: float) -> Callable[[], float]:
    """Return a clock that advances by the same time with each look, the first at 0."""
    looks = iter(range(10**9))
    return lambda: seconds * next(looks)


def test_quick_steps_have_a_line_for_each_twentieth() -> None:
    progress = ProgressLines(200, clock=clock(0.5))
    found = {step: line for step in range(1, 201) if (line := progress.line(step))}
    assert list(found) == list(range(10, 201, 10))
    assert found[10] == "step 10 of 200 (5 %), 01:35 left" and found[200] == "step 200 of 200 (100 %), 00:00 left"


def test_slow_steps_have_a_line_every_half_minute() -> None:
    progress = ProgressLines(100_000, clock=clock(12))
    assert [step for step in range(1, 10) if progress.line(step)] == [3, 6, 9]


def test_time_left_is_by_the_steps_of_this_run() -> None:
    progress = ProgressLines(100, initial=90, clock=clock(60))
    assert progress.line(91) == "step 91 of 100 (91 %), 09:00 left"


@given(st.integers(1, 300), st.floats(0.001, 100))
def test_the_last_step_has_a_line_and_none_is_empty(total: int, seconds: float) -> None:
    progress = ProgressLines(total, clock=clock(seconds))
    lines = [progress.line(step) for step in range(1, total + 1)]
    assert lines[-1] == f"step {total} of {total} (100 %), 00:00 left" and "" not in lines
