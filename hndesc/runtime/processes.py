"""Work shared by several processes: this one and workers, each of which takes the next item when it is free.

Threads would wait for each other: matching is many short calls, each under Python's lock. loky's workers are fresh
Pythons, not copies of this process with its threads and locks, and they do not import the script that was started.
While they start, this process is at work already, so that small sets lose no time.
"""

import os
import pickle
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from threading import Thread
from typing import Any, TypeVar

import cv2
from loky.process_executor import BrokenProcessPool, ProcessPoolExecutor
from threadpoolctl import threadpool_limits

from hndesc.errors import HndescError

Item = TypeVar("Item")
Value = TypeVar("Value")

_ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
# Otherwise, loky restarts workers that keep features in memory, as if they leaked it.
_ENVIRONMENT = _ONE_CORE | {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e15"}
_NOTHING = ...  # the item that makes a worker get ready
_LOOK = 0.5  # seconds between two looks for the process that a worker works for


@contextmanager
def workers(work: Callable[[Item], Value], processes: int = 1) -> Iterator[Callable[[Iterable[Item]], Iterator[Value]]]:
    """Yield a `map` of `work` that keeps the order.

    The map raises what `work` raises for the first item that fails; where a worker dies, that is a HndescError.

    Args:
        work: a function of a module, its `functools.partial` or something else that can be pickled. Each worker gets
            a copy once; items and values are pickled, too.
        processes: how many work at a time, this one among them, each on one core.
    """
    with one_core():
        if processes == 1:
            yield partial(map, work)
            return
        executor = ProcessPoolExecutor(processes - 1, env=_ENVIRONMENT, initializer=_begin, initargs=(os.getpid(),))
        # A thread a worker hands it one item at a time; loky would give out several, even to workers that yet start.
        threads = ThreadPoolExecutor(processes - 1)
        ask = partial(_ask, executor, pickle.dumps(work))
        try:
            for _ in range(processes - 1):
                threads.submit(ask, _NOTHING)
            yield partial(_map, threads, ask, work)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            executor.shutdown(kill_workers=True)


def _map(
    threads: ThreadPoolExecutor, ask: Callable[[Item], Value], work: Callable[[Item], Value], items: Iterable[Item]
) -> Iterator[Value]:
    """Yield the values of items; this process takes the next item that no worker has begun instead of waiting."""
    with _named():
        asked = [(threads.submit(ask, item), item) for item in items]
        waiting, done_here = iter(asked), {}
        for future, _ in asked:
            while not future.done() and (task := next((task for task in waiting if task[0].cancel()), None)):
                done_here[task[0]] = _settled(work, task[1])
            yield done_here.pop(future, future).result()


def _settled(work: Callable[[Item], Value], item: Item) -> Future:
    """Return a finished future; an error is raised when its result is read."""
    future: Future = Future()
    try:
        future.set_result(work(item))
    except Exception as error:
        future.set_exception(error)
    return future


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        how = re.search(r"\{.*\}", str(error))
        raise HndescError(
            f"one of the processes that share the work ended {how[0] if how else 'early'}; "
            "if memory is short, use fewer threads"
        ) from error


def _ask(executor: ProcessPoolExecutor, pickled: bytes, item: Any) -> Any:
    return executor.submit(_call, pickled, item).result()


def _call(pickled: bytes, item: Any) -> Any:
    work = _loaded(pickled)
    return None if item is _NOTHING else work(item)


@lru_cache(1)
def _loaded(pickled: bytes) -> Callable:
    return pickle.loads(pickled)


def _begin(parent: int) -> None:
    """Prepare a worker: it ignores interruptions and ends with its parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


@contextmanager
def one_core() -> Iterator[None]:
    """Limit linear algebra, OpenCV and torch to one thread, even if torch is imported later."""
    before = {name: os.environ.get(name) for name in _ONE_CORE}
    usual = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else before["OMP_NUM_THREADS"]
    opencv = cv2.getNumThreads()
    os.environ.update(_ONE_CORE)
    with threadpool_limits(1):
        try:
            cv2.setNumThreads(1)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(1)
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
            cv2.setNumThreads(opencv)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(int(usual or os.cpu_count() or 1))
