"""Work shared out among processes: this one and helpers, each of which takes the next item when it is free.

Threads would wait for each other: matching is many short calls, each under Python's lock. A helper is a fresh Python,
not a copy of this process with its threads and locks. While it starts, this process is at work already, so that small
sets lose no time. Helpers stay for the next time, and end with this process in whatever way it ends.
"""

import atexit
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, TypeVar

import cv2
from threadpoolctl import threadpool_limits

from hndesc.errors import HndescError

Item = TypeVar("Item")
Value = TypeVar("Value")

_ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
_idle: list["_Helper"] = []


@contextmanager
def workers(work: Callable[[Item], Value], processes: int = 1) -> Iterator[Callable[[Iterable[Item]], Iterator[Value]]]:
    """Yield a `map` of `work` that keeps the order.

    The map raises what `work` raises for the first item that fails: a HndescError as it is, of a helper's other errors
    a RuntimeError with the traceback. Where a helper dies, that is a HndescError.

    Args:
        work: a function of a module, its `functools.partial` or something else that can be pickled. Each helper gets
            a copy once; items and values are pickled, too.
        processes: how many work at a time, this one among them, each on one core.
    """
    tasks: SimpleQueue = SimpleQueue()
    over = Event()
    helpers = [_helper() for _ in range(processes - 1)]
    threads = [Thread(target=_feed, args=(helper, work, tasks, over), daemon=True) for helper in helpers]
    with _one_core():
        try:
            for thread in threads:
                thread.start()
            yield lambda items: _map(work, tasks, items)
        finally:
            over.set()
            for helper in helpers:
                tasks.put(None)  # for whichever of the threads waits
                if helper.busy:
                    helper.kill()
            for thread in threads:
                thread.join()


def _map(work: Callable[[Item], Value], tasks: SimpleQueue, items: Iterable[Item]) -> Iterator[Value]:
    asked = [(Future(), item) for item in items]
    for task in asked:
        tasks.put(task)
    for future, _ in asked:
        while not future.done() and (task := _next(tasks)):
            _settle(task[0], work, task[1])
        yield future.result()


def _next(tasks: SimpleQueue) -> tuple[Future, Any] | None:
    try:
        return tasks.get_nowait()
    except Empty:
        return None


def _settle(future: Future, work: Callable[[Item], Value], item: Item) -> None:
    try:
        future.set_result(work(item))
    except Exception as error:
        future.set_exception(error)


def _feed(helper: "_Helper", work: Callable, tasks: SimpleQueue, over: Event) -> None:
    """Give a helper tasks until the work is over; it takes none before it is ready."""
    begun: Future = Future()
    _settle(begun, helper.begin, work)
    while not over.is_set() and (task := tasks.get()):
        _settle(task[0], lambda item: begun.result() or helper.ask(item), task[1])
    if helper.end():
        _idle.append(helper)


@contextmanager
def _one_core() -> Iterator[None]:
    """Hold linear algebra, OpenCV and torch to one thread, torch also where it is loaded only in the meantime."""
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


class _Helper:
    """A process that works for this one; `busy` while it owes an answer."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            place = theirs.fileno()
            environment = os.environ | _ONE_CORE | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
            command = [sys.executable, "-P", "-m", __name__, str(place)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[place], env=environment)
        self.busy = False

    def begin(self, work: Callable) -> None:
        """Hand over what is to be done with items, and wait until the helper is ready for them."""
        self._answer((os.getcwd(), work))

    def ask(self, item: Any) -> Any:
        """Return what becomes of an item."""
        return self._answer((None, item))

    def end(self) -> bool:
        """Make the helper forget the work, whose files it closes; tell whether it can be asked again."""
        try:
            self._answer((os.getcwd(), None))
        except HndescError:
            return False
        return True

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def lives(self) -> bool:
        return self._process.poll() is None

    def _answer(self, message: tuple) -> Any:
        data = pickle.dumps(message)
        self.busy = True
        try:
            self._connection.send_bytes(data)
            good, value = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            end = self._process.wait()
            how = f"was ended by signal {-end}" if end < 0 else f"ended with exit status {end}"
            raise HndescError(
                f"one of the processes that share the work {how}; if memory is short, use fewer threads"
            ) from None
        self.busy = False
        if good:
            return value
        raise value


def _helper() -> _Helper:
    """Return a helper that is at hand, or a new one."""
    while _idle:
        if (helper := _idle.pop()).lives():
            return helper
    return _Helper()


@atexit.register
def _dismiss() -> None:
    for helper in _idle:
        helper.kill()


def _help(connection: Connection) -> None:
    """Answer messages until the other side is gone: (folder, work) or (None, item)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side decides what an interruption ends
    work = None
    while True:
        try:
            data = connection.recv_bytes()
        except (EOFError, OSError):
            return
        value = None
        try:
            folder, content = pickle.loads(data)
            if folder is None:
                value = work(content)
            else:
                os.chdir(folder)
                work = content
            answer = pickle.dumps((True, value))
        except Exception as error:
            answer = pickle.dumps((False, _portable(error)))
        try:
            connection.send_bytes(answer)
        except OSError:
            return


def _portable(error: Exception) -> Exception:
    return error if isinstance(error, HndescError) else RuntimeError("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    _help(Connection(int(sys.argv[1])))
