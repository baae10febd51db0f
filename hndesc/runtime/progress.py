"""Progress of long work in logs, where no bar is drawn."""

import time
from collections.abc import Callable

from tqdm import tqdm

SECONDS, SHARE = 30.0, 0.05  # at most between two lines: time, or share of the steps


class ProgressLines:
    """Lines "step 60 of 1200 (5 %), 03:20 left" for a log, about every 30 seconds or 5 % of the steps.

    Args:
        total: number of steps.
        initial: number of steps that an earlier run has taken.
        clock: returns seconds.
    """

    def __init__(self, total: int, initial: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._initial, self._clock = total, initial, clock
        self._start = clock()
        self._last = initial, self._start

    def line(self, step: int) -> str | None:
        """Return the line after a step, or None if the last one is recent."""
        now, (step_before, time_before) = self._clock(), self._last
        recent = step - step_before < SHARE * self._total and now - time_before < SECONDS
        if recent and step < self._total:
            return None
        self._last = step, now
        left = (now - self._start) / (step - self._initial) * (self._total - step)
        return f"step {step} of {self._total} ({100 * step // self._total} %), {tqdm.format_interval(left)} left"
