"""Sharing out work: the same values as in one process, and one clear error however it goes wrong."""

import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features, FeatureWriter
from hndesc.runtime import processes
from hndesc.runtime.processes import workers

PARENT = os.getpid()
ROOT = Path(__file__).resolve().parents[2]


def square(value: int) -> int:
    return value * value


def meet(folder: Path, count: int, item: int) -> int:
    """Return which process this is, once `count` processes take part."""
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < count:
        assert time.monotonic() < deadline, "the others did not come"
        time.sleep(0.001)
    return os.getpid()


def meet_and(act: str, folder: Path, parent: int, item: int) -> int:
    """Do something in the worker, and nothing in the process that it works for."""
    if meet(folder, 2, item) != parent:
        if act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "leave":
            os._exit(3)
        raise {"refuse": HndescError("features.h5: broken"), "fail": ZeroDivisionError("of item")}[act]
    return item


def threads_in_use(folder: Path, count: int, item: int) -> tuple[int, set[int], int, int]:
    import torch

    np.ones((4, 4)) @ np.ones((4, 4))
    pools = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    return meet(folder, count, item), pools, cv2.getNumThreads(), torch.get_num_threads()


def where(_: int) -> str:
    return os.getcwd()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_values_come_in_order_whatever_the_number_of_processes(count):
    with workers(square, count) as squares:
        assert list(squares(range(50))) == [value * value for value in range(50)]
        assert list(squares([])) == []
        assert list(squares([7])) == [49]


@pytest.mark.parametrize("count", [2, 3])
def test_all_processes_take_part(tmp_path, count):
    with workers(partial(meet, tmp_path, count), count) as met:
        assert len(set(met(range(count)))) == count


def test_each_process_has_one_thread_and_this_one_has_its_own_back(tmp_path):
    import torch

    before, usual = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    try:
        with workers(partial(threads_in_use, tmp_path, 2), 2) as use:
            found = list(use(range(2)))
        assert len({place for place, *_ in found}) == 2
        assert [rest for _, *rest in found] == [[{1}, 1, 1]] * 2
        assert torch.get_num_threads() == cv2.getNumThreads() == 2
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(usual)


def test_torch_that_is_loaded_meanwhile_has_one_thread_and_then_the_usual_number():
    code = """
import sys
from hndesc.runtime.processes import workers
def threads(_):
    import torch
    return torch.get_num_threads()
assert "torch" not in sys.modules
with workers(threads) as count:
    print(*count([0]))
print(threads(0))
"""
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.stdout.split(), done.stderr) == (["1", "2"], "")


def test_workers_are_in_the_folder_of_this_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("met").mkdir()
    with workers(partial(meet, Path("met"), 2), 2) as met:
        assert len(set(met(range(2)))) == 2


def test_work_may_share_out_work(tmp_path):
    with workers(partial(meet_and_square, tmp_path), 2) as work:
        assert list(work([3, 4])) == [[0, 1, 4], [0, 1, 4, 9]]


def meet_and_square(folder: Path, count: int) -> list[int]:
    meet(folder, 2, 0)
    with workers(square, 2) as squares:
        return list(squares(range(count)))


def test_the_script_that_was_started_is_not_run_again(tmp_path):
    code = "from tests.runtime.test_processes import *\nprint('started')\n"
    code += f"with workers(partial(meet, Path({str(tmp_path)!r}), 2), 2) as met:\n    print(len(set(met([0, 1]))))\n"
    (tmp_path / "script").mkdir()
    script = tmp_path / "script" / "unguarded.py"
    script.write_text(code.replace(repr(str(tmp_path)), repr(str(tmp_path / "met"))))
    (tmp_path / "met").mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("started\n2\n", "")


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        ("refuse", HndescError, "^features.h5: broken$"),
        ("fail", ZeroDivisionError, "^of item$"),
        ("die", HndescError, r"share the work ended \{SIGKILL\(-9\)\}; if memory is short, use fewer threads"),
        ("leave", HndescError, r"share the work ended \{EXIT\(3\)\}"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_raised_here_and_the_next_work_goes_well(tmp_path, act, kind, message):
    with pytest.raises(kind, match=message), workers(partial(meet_and, act, tmp_path, PARENT), 2) as work:
        list(work(range(2)))
    with workers(square, 2) as squares:
        assert list(squares(range(5))) == [0, 1, 4, 9, 16]


def test_the_first_item_that_fails_is_reported_whatever_fails_before_it_in_time():
    for count in (1, 3):
        with pytest.raises(ZeroDivisionError, match="item 3"), workers(fail_from_3, count) as work:
            list(work(range(40)))


def fail_from_3(item: int) -> int:
    if item >= 3:
        raise ZeroDivisionError(f"item {item}")
    return item


def test_the_traceback_of_a_worker_is_the_cause(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught, workers(partial(meet_and, "fail", tmp_path, PARENT), 2) as work:
        list(work(range(2)))
    assert "in meet_and" in str(caught.value.__cause__)


def test_a_worker_that_cannot_take_the_work_fails_what_it_is_given():
    with pytest.raises(HndescError, match=r"^f\.h5: no such feature file$"):
        processes._call(pickle.dumps(Unsendable()), 0)


class Unsendable:
    """Work that fails on arrival."""

    def __reduce__(self) -> tuple:
        return refuse, ()


def refuse() -> None:
    raise HndescError("f.h5: no such feature file")


def test_a_reader_opens_its_file_in_the_worker_and_closes_it_after_the_work(tmp_path):
    path = tmp_path / "f.h5"
    features = Features(np.zeros((2, 2), np.float32), (8, 8), np.ones(2, np.float32), np.eye(2, dtype=np.float32))
    (tmp_path / "met").mkdir()
    with FeatureWriter(path, {}) as writer:
        for name in "ab":
            writer.write(name, features)
    with FeatureReader(path) as reader, workers(partial(count_features, reader, tmp_path / "met"), 2) as count:
        assert {number for _, number in count("ab")} == {2}
    assert [process for process in met(tmp_path / "met") if lives(process)] == [PARENT]
    assert path not in open_files(PARENT)


def count_features(reader: FeatureReader, folder: Path, name: str) -> tuple[int, int]:
    return meet(folder, 2, 0), len(reader.read(name))


def met(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir()]


def open_files(process: int) -> set[Path]:
    return {Path(os.readlink(link)) for link in Path(f"/proc/{process}/fd").iterdir() if link.exists()}


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_that_they_work_for(tmp_path, end):
    code = """
import pickle
import sys
from functools import partial
from pathlib import Path
from tests.runtime.test_processes import meet
from hndesc.runtime.processes import workers
folder = Path(sys.argv[1])
with workers(partial(meet, folder, 2), 2) as met:
    list(met(range(2)))
    print("met", flush=True)
    sys.stdin.readline()
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    with process:
        assert process.stdout.readline() == b"met\n"
        process.send_signal(end)
        # The worker has both streams open as well: they end with it.
        process.communicate(timeout=60)
    assert process.returncode == -end
    assert not any(map(lives, met(tmp_path)))


def lives(process: int) -> bool:
    """Whether a process runs; one that has ended and is still listed has no command line."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def test_an_interruption_ends_workers_at_work(tmp_path):
    with pytest.raises(KeyboardInterrupt), workers(partial(interrupted, tmp_path, PARENT), 2) as work:
        list(work(range(2)))
    (worker,) = {*met(tmp_path)} - {PARENT}
    assert not lives(worker)


def interrupted(folder: Path, parent: int, item: int) -> int:
    if meet(folder, 2, item) == parent:
        raise KeyboardInterrupt
    return meet(folder, 3, item)  # which nobody joins
