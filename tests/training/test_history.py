"""Rows of the history and TensorBoard's scalars."""

import csv

import pytest

from hndesc.training.history import COLUMNS, History, TensorBoardLog


def test_rows_are_means_since_the_row_before(tmp_path):
    history = History()
    history.add(1.0)
    history.add(0.5)
    history.close_row(2, 1e-3, 4.567)
    history.add(5.0)
    history.close_row(3, 5e-4, 6.0, {"validation_loss": 0.5, "accuracy": 0.75})
    history.write(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0] == {
        "step": "2",
        "loss": "0.75",
        "ap": "0.25",
        "validation_loss": "",
        "accuracy": "",
        "learning_rate": "0.001",
        "seconds": "4.57",
    }
    assert (rows[1]["loss"], rows[1]["ap"], rows[1]["accuracy"]) == ("5.0", "-4.0", "0.75")


def test_other_losses_have_no_average_precision():
    history = History(average_precision=False)
    history.add(0.5)
    row = history.close_row(1, 1e-3, 0.0)
    assert (row["loss"], row["ap"]) == (0.5, None)


def test_the_state_restores_an_open_row():
    history = History()
    history.add(1.0)
    restored = History(**history.state())
    restored.add(2.0)
    assert restored.close_row(2, 1e-3, 0.0)["loss"] == pytest.approx(1.5)


def test_scalars_can_be_read_again_and_a_resumed_run_hides_what_it_repeats(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def row(step: int, loss: float) -> dict:
        return dict.fromkeys(COLUMNS) | {"step": step, "loss": loss, "learning_rate": 0.1}

    first = TensorBoardLog(tmp_path, 0)
    first.write(row(1, 0.9))
    first.write(row(2, 0.8))
    first.close()
    second = TensorBoardLog(tmp_path, 2)
    second.write(row(2, 0.7))
    second.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    found = [(event.step, round(event.value, 3)) for event in events.Scalars("training/loss")]
    assert found == [(1, 0.9), (2, 0.7)]
    assert "validation/loss" not in events.Tags()["scalars"]
