"""The rolling state: whole or not at all, and only for the same settings and data."""

import pytest
import torch

from hndesc.errors import HndescError
from hndesc.training.state import StateFolder


@pytest.fixture
def folder(tmp_path) -> StateFolder:
    return StateFolder(tmp_path / "state", "abc")


def test_what_is_saved_is_loaded(folder):
    folder.save({"step": 3, "model": {"w": torch.arange(3.0)}, "best": {"weights": None}})
    state = folder.load()
    assert state["step"] == 3
    assert torch.equal(state["model"]["w"], torch.arange(3.0))
    assert state["best"] == {"weights": None}


def test_nothing_saved_is_nothing_loaded(folder):
    assert folder.load() is None


def test_a_state_of_other_settings_is_not_used(folder, tmp_path, caplog):
    folder.save({"step": 3})
    (folder.logs).mkdir()
    with caplog.at_level("INFO"):
        assert StateFolder(tmp_path / "state", "other").load() is None
    assert "starts from the beginning" in caplog.text
    assert not folder.logs.exists()
    assert not folder.file.exists()


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_state_cut_short_is_an_error_with_the_cure(folder, keep):
    folder.save({"step": 3, "model": {"w": torch.arange(3000.0)}})
    content = folder.file.read_bytes()
    folder.file.write_bytes(content[:keep])
    with pytest.raises(HndescError, match=r"state\.pt is damaged .*delete .*state to start from the beginning"):
        folder.load()
    assert folder.file.read_bytes() == content[:keep]


def test_the_state_before_takes_the_place_of_a_damaged_one(folder, caplog):
    for step in (3, 4, 5):
        folder.save({"step": step, "model": {"w": torch.full((3000,), float(step))}})
    damage(folder.file)
    state = folder.load()
    assert state["step"] == 4 and (state["model"]["w"] == 4).all()
    assert "state.pt is damaged" in caplog.text and "state-before.pt" in caplog.text
    damage(folder.previous)
    with pytest.raises(HndescError, match=r"state\.pt is damaged.*state-before\.pt is damaged"):
        folder.load()


def test_the_state_before_is_used_where_saving_ended_between_the_two(folder):
    folder.save({"step": 3})
    folder.file.rename(folder.previous)
    assert folder.load()["step"] == 3
    folder.save({"step": 4})
    assert folder.load()["step"] == 4


@pytest.mark.parametrize("data", [[1], {"step": 3}, {"fingerprint": "abc"}, torch.zeros(2)])
def test_what_is_no_state_is_an_error(folder, data):
    folder.folder.mkdir()
    torch.save(data, folder.file)
    with pytest.raises(HndescError, match=r"state\.pt contains no training state"):
        folder.load()


def damage(path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"data/0") + 1000] ^= 1
    path.write_bytes(content)


def test_code_in_a_state_is_not_run(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("evil").touch, ())

    folder.save({"step": 3})
    torch.save({"fingerprint": "abc", "step": Evil()}, folder.file)
    with pytest.raises(HndescError, match=r"state\.pt is damaged \(it asks for"):
        folder.load()
    assert not (tmp_path / "evil").exists()


def test_a_failed_save_keeps_the_state_before(folder):
    folder.save({"step": 3})
    with pytest.raises(AttributeError):
        folder.save({"step": 4, "model": lambda: None})
    assert folder.load()["step"] == 3
    assert [path.name for path in folder.folder.iterdir()] == ["state.pt"]


def test_remove_keeps_the_logs_if_asked(folder):
    folder.save({"step": 3})
    folder.logs.mkdir()
    folder.remove(keep_logs=True)
    assert not folder.file.exists()
    assert folder.logs.is_dir()
    folder.remove()
    assert not folder.folder.exists()
