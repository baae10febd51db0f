import logging
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from hndesc.errors import HndescError
from hndesc.runtime.logs import step


@pytest.fixture(autouse=True)
def restore_logging():
    root, threads = logging.getLogger(), cv2.getNumThreads()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    cv2.setNumThreads(threads)


def test_user_error_is_one_line_in_terminal_and_log_and_ends_with_1(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stopped, step(tmp_path / "logs" / "a.log"):
        raise HndescError("photo.jpg: broken; remove it")
    assert stopped.value.code == 1
    text = (tmp_path / "logs" / "a.log").read_text()
    assert text.count("\n") == 1 and "ERROR photo.jpg: broken; remove it" in text
    assert "photo.jpg: broken; remove it" in capsys.readouterr().err


def test_programming_error_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped, step(tmp_path / "a.log"):
        _ = 1 / 0
    assert stopped.value.code == 1
    text = (tmp_path / "a.log").read_text()
    assert "Traceback" in text and "ZeroDivisionError" in text


def test_threads_are_held() -> None:
    with step(threads=1, yields=False):
        assert cv2.getNumThreads() == 1


@pytest.mark.parametrize(("arguments", "lower"), [("threads=1", True), ("threads=1, yields=False", False), ("", False)])
def test_steps_of_the_workflow_yield_to_trainings(arguments: str, lower: bool) -> None:
    code = (
        "import os; from hndesc.runtime.logs import step\n"
        f"with step({arguments}): print(os.getpriority(os.PRIO_PROCESS, 0))"
    )
    before = os.getpriority(os.PRIO_PROCESS, 0)
    now = int(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout)
    assert now == (max(10, before) if lower else before)


def test_a_log_is_written_again_unless_it_is_to_be_continued(tmp_path: Path) -> None:
    for word, append in (("old", False), ("first", False), ("second", True)):
        with step(tmp_path / "a.log", append=append):
            logging.getLogger("hndesc").info(word)
    assert [line.split()[-1] for line in (tmp_path / "a.log").read_text().splitlines()] == ["first", "second"]


def test_other_processes_write_to_the_same_log(tmp_path: Path) -> None:
    with step(tmp_path / "a.log"):
        logging.getLogger("hndesc").info("before")
        with open(tmp_path / "a.log", "a") as stream:
            stream.write("between\n")
        logging.getLogger("hndesc").info("after")
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["before", "between", "after"]


def test_a_name_does_not_break_a_line(tmp_path: Path) -> None:
    with step(tmp_path / "a.log"):
        logging.getLogger("hndesc").warning("skipped '%s'", "a\nERROR b\udcff.png")
    assert (tmp_path / "a.log").read_text().splitlines()[0].endswith(r"skipped 'a\nERROR b\udcff.png'")


def test_a_place_that_cannot_be_used_is_no_fault_of_the_code(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped, step(tmp_path / "a.log"):
        (tmp_path / ("x" * 5000)).read_bytes()
    assert stopped.value.code == 1
    text = (tmp_path / "a.log").read_text()
    assert text.count("\n") == 1 and "cannot be used (File name too long)" in text


def test_libraries_only_warn(tmp_path: Path) -> None:
    with step(tmp_path / "a.log"):
        logging.getLogger("onnxscript.optimizer").info("Removed 746 unused nodes")
        logging.getLogger("onnxscript.optimizer").warning("no such node")
        logging.getLogger("hndesc.models").info("12 photos")
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert [line.partition(" ")[2].partition(" ")[2] for line in lines] == ["WARNING no such node", "INFO 12 photos"]
