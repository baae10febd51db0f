"""One run at a time on an output, whatever became of the runs before."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hndesc.errors import HndescError
from hndesc.io import locks
from hndesc.io.features import FeatureWriter
from hndesc.io.locks import lock_of, writing

HOLD = """
import sys
from hndesc.io.locks import writing
with writing(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "f.h5"


@pytest.fixture(params=["locks", "no locks", "no such call"])
def system(request, monkeypatch) -> str:
    """File systems with locks, and two kinds of those without."""
    numbers = {"no locks": errno.ENOLCK, "no such call": errno.ENOSYS}
    if request.param in numbers:

        def refuse(*_: int) -> None:
            raise OSError(numbers[request.param], "no locks")

        monkeypatch.setattr(locks.fcntl, "flock", refuse)
    return request.param


def hold(output: Path) -> subprocess.Popen:
    """Start a run that holds an output until its input ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    run = subprocess.Popen([sys.executable, "-c", HOLD, output], **pipes)
    assert run.stdout.readline() == "held\n"
    return run


def test_a_second_run_is_refused_until_the_first_has_ended(output: Path) -> None:
    with hold(output) as first:
        with pytest.raises(HndescError, match=rf"f\.h5: another run is writing this \(process {first.pid} on \S+\)"):
            FeatureWriter(output, {}).__enter__()
        first.stdin.close()
        assert first.wait() == 0
    with FeatureWriter(output, {}):
        pass
    assert [path.name for path in output.parent.iterdir()] == ["f.h5"]


def test_the_lock_of_a_killed_run_is_taken_over(output: Path) -> None:
    with hold(output) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert lock_of(output).exists()
    with writing(output):
        assert lock_of(output).read_text().split()[0] == str(os.getpid())


def test_every_kind_of_file_system_has_one_writer(output: Path, system: str) -> None:
    with writing(output):
        with (
            pytest.raises(HndescError, match=rf"another run is writing this \(process {os.getpid()} on"),
            writing(output),
        ):
            pass
        with writing(output.with_name("other.h5")):
            pass
    assert list(output.parent.iterdir()) == []
    with writing(output):
        pass


def test_without_locks_a_dead_run_on_this_host_is_taken_over(output: Path, monkeypatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    output.parent.mkdir()
    host = locks.socket.gethostname()
    locks._marker(lock_of(output)).write_text(f"{dead.pid}\n{host}\n")
    with writing(output):
        pass
    locks._marker(lock_of(output)).write_text(f"{dead.pid}\nanother-host\n")
    with pytest.raises(HndescError, match="on another-host"), writing(output):
        pass


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HndescError, match=r"f\.h5: cannot be written"), writing(tmp_path / "file" / "f.h5"):
        pass


def test_a_file_of_the_user_with_the_name_of_the_lock_is_kept(output: Path) -> None:
    output.parent.mkdir()
    lock_of(output).write_text("a diary")
    with pytest.raises(HndescError, match="not a lock"), writing(output):
        pass
    assert lock_of(output).read_text() == "a diary"


def test_a_run_that_fails_leaves_no_lock(output: Path) -> None:
    with pytest.raises(KeyError), writing(output):
        raise KeyError
    assert not lock_of(output).exists()
