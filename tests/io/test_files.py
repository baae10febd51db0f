"""Atomic writing and strict JSON."""

import os
import stat

import pytest

from hndesc.errors import HndescError
from hndesc.io.files import atomic_path, check_json_file, read_json, write_json, write_text


def test_atomic_path_makes_folders_and_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "deep" / "er" / "a.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path / "deep" / "er"
        temporary.write_text("done")
        assert not (tmp_path / "deep" / "er" / "a.png").exists()
    assert (tmp_path / "deep" / "er" / "a.png").read_text() == "done"


def test_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_permissions_are_those_of_any_new_file(tmp_path):
    write_text(tmp_path / "a.txt", "text")
    (tmp_path / "b.txt").write_text("text")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.txt", "b.txt")}
    assert len(modes) == 1


def test_text_is_utf_8(tmp_path):
    write_text(tmp_path / "a.txt", "Ångström\n")
    assert (tmp_path / "a.txt").read_bytes() == "Ångström\n".encode()


def test_json_round_trip(tmp_path):
    data = {"a": [1, 2.5, None], "b": {"c": "d"}}
    write_json(tmp_path / "a.json", data)
    assert read_json(tmp_path / "a.json") == data


def test_json_replaces_no_other_text(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    check_json_file(tmp_path / "a.json")
    for content in ("notes", "\0{", "[1]"):
        (tmp_path / "mine.txt").write_text(content)
        with pytest.raises(HndescError, match=r"mine\.txt: exists and was not made by hndesc"):
            check_json_file(tmp_path / "mine.txt")


def test_nan_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b'{"a": ', b"\xff\xfe"])
def test_broken_json_is_an_error_that_names_the_file(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(HndescError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")


def test_missing_json(tmp_path):
    with pytest.raises(HndescError, match=r"a\.json: no such file"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("kind", ["folder", "FIFO"])
def test_what_is_no_json_file_is_not_waited_for(tmp_path, kind):
    os.mkfifo(tmp_path / "a.json") if kind == "FIFO" else (tmp_path / "a.json").mkdir()
    with pytest.raises(HndescError, match=r"a\.json: a folder, FIFO or device, not a JSON file"):
        read_json(tmp_path / "a.json")
