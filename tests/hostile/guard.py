"""Runs one call on hostile input in a process of its own, within seconds and within memory.

A call that hangs, crashes, raises anything but an HndescError or takes too much memory fails its test without ending
the test run. The processes are forked from a server that has imported the package and the modules of the tests that use
this one, and has run nothing yet: a fork takes hundredths of a second, importing a module of tests half a second.
"""

import math
import multiprocessing
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hndesc.errors import HndescError

_CONTEXT = multiprocessing.get_context("forkserver")
# A blocked process uses no processor time; on a busy machine a sound one needs many times its own.
_PATIENCE = 120


def outcome(function: Callable[..., Any], *args: Any, seconds: int = 2, megabytes: int = 500, **kwargs: Any) -> Any:
    """Return what `function(*args, **kwargs)` returns, or the HndescError that it raises.

    Args:
        function: a function of a module (it is pickled), like its arguments and what it returns.
        seconds: processor time that it may take.
        megabytes: memory that it may take beyond what the process starts with (Linux only).

    Raises:
        AssertionError: any other exception, a crash, or more time or memory than that.
    """
    _CONTEXT.set_forkserver_preload(["tests.hostile.preload", *_users()])  # heeded by the call that starts the server
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(sender, function, args, kwargs, seconds, megabytes), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(_PATIENCE):
            raise AssertionError(f"{function.__name__} hangs")
        kind, value = receiver.recv()
    except EOFError:
        process.join()
        raise AssertionError(f"{function.__name__} {_ending(process.exitcode, seconds)}") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    assert kind != "failed", f"{function.__name__}: {value}"
    return value


def refusal(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Return the one line of the HndescError that a call ends with; arguments as for `outcome`."""
    error = outcome(function, *args, **kwargs)
    assert isinstance(error, HndescError), f"{function.__name__} was expected to refuse its input"
    message = str(error)
    assert message, "an error without a message"
    assert "\n" not in message, f"more than one line: {message}"
    return message


@cache
def _users() -> list[str]:
    """Return the modules of tests that use this one, as far as they are imported at the first call."""
    own = {id(outcome), id(refusal)}
    tests = {name: vars(module) for name, module in list(sys.modules.items()) if name.startswith("tests.")}
    return sorted(name for name, held in tests.items() if own & set(map(id, held.values())))


def _run(
    sender: Connection, function: Callable[..., Any], args: tuple, kwargs: dict, seconds: int, megabytes: int
) -> None:
    _limit(seconds, megabytes)
    try:
        answer = ("done", function(*args, **kwargs))
    except HndescError as error:
        answer = ("done", error)
    except BaseException:
        answer = ("failed", traceback.format_exc())
    try:
        sender.send(answer)
    except Exception:
        sender.send(("failed", traceback.format_exc()))


def _limit(seconds: int, megabytes: int) -> None:
    used = math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, used + seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        held = int(re.search(r"VmData:\s+(\d+) kB", status)[1]) * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (held + megabytes * 2**20,) * 2)


def _ending(code: int | None, seconds: int) -> str:
    if code == -signal.SIGXCPU:
        return f"takes more than {seconds} s"
    return f"ended the process ({signal.Signals(-code).name if code and code < 0 else f'exit status {code}'})"
