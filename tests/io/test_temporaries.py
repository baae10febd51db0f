"""What killed writers leave is removed by the next one, and nothing else is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hndesc.io import temporaries
from hndesc.io.files import atomic_path, write_text
from hndesc.io.temporaries import is_leftover, is_temporary, make_temporary

HOLD = """
import sys
from hndesc.io.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporaries, "_cleared", set())


def hold(output: Path) -> tuple[subprocess.Popen, Path]:
    """Start a run that writes a file until its input ends; return it and the temporary file."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    run = subprocess.Popen([sys.executable, "-c", HOLD, output], **pipes)
    return run, Path(run.stdout.readline().rstrip())


@pytest.mark.parametrize("name", ["split.tsv", "folder.name/no suffix", "a-b.c.json"])
def test_the_file_of_a_killed_writer_is_removed_by_the_next_one(name: str, tmp_path: Path) -> None:
    output = tmp_path / name
    run, temporary = hold(output)
    assert temporary.parent == output.parent and temporary.suffix == output.suffix and is_temporary(temporary.name)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert temporary.exists() and is_leftover(temporary)
    write_text(output.parent / "another.txt", "")
    assert {path.name for path in output.parent.iterdir()} == {"another.txt"}


@pytest.mark.parametrize("name", ["x" * 251 + ".txt", "\N{GRINNING FACE}" * 62 + ".txt"], ids=["ASCII", "four bytes"])
def test_the_longest_names_can_be_written(name: str, tmp_path: Path) -> None:
    write_text(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"


def test_the_file_of_a_running_writer_stays(tmp_path: Path) -> None:
    run, temporary = hold(tmp_path / "a.txt")
    write_text(tmp_path / "b.txt", "")
    assert temporary.exists()
    run.communicate("")
    assert (tmp_path / "a.txt").read_text() == "half" and run.returncode == 0


def of_process(number: int, host: str | None = None) -> str:
    return f".split-hndesc-{host or temporaries._host()}-{number}-abcd_123.tsv"


# No process has this number.
NONE = 2**22 + 1


@pytest.mark.parametrize(
    "name",
    [
        ".split-abcd1234.tsv",
        ".split-hndesc-notes.tsv",
        of_process(NONE)[1:],
        of_process(NONE) + ".tsv",
        of_process(NONE, "0123456"),
        of_process(NONE, "01234567"),  # another host's
        of_process(os.getpid()),
        of_process(1),
    ],
    ids=["no mark", "no process", "no dot", "two suffixes", "short host", "other host", "this process", "running"],
)
def test_what_is_not_surely_a_leftover_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    write_text(tmp_path / "b.txt", "")
    assert (tmp_path / name).read_text() == "mine"


def test_a_link_or_folder_of_such_a_name_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / of_process(NONE)).symlink_to(tmp_path / "mine")
    (tmp_path / of_process(NONE + 1)).mkdir()
    write_text(tmp_path / "b.txt", "")
    assert len(list(tmp_path.iterdir())) == 4


def test_what_nobody_has_changed_for_a_day_is_a_leftover_of_any_host(tmp_path: Path) -> None:
    names = [of_process(7, "01234567"), of_process(1)]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 10**9))
    write_text(tmp_path / "b.txt", "")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_folder_is_searched_once(tmp_path: Path) -> None:
    make_temporary(tmp_path / "a.txt").unlink()
    (tmp_path / of_process(NONE)).touch()
    with atomic_path(tmp_path / "b.txt"):
        pass
    assert (tmp_path / of_process(NONE)).exists()


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"
