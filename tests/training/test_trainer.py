"""The loop: learning, schedules, accumulation, stopping, resuming."""

import io
import logging
import math
import re
import sys

import pytest
import torch
from torch import nn

from hndesc.errors import HndescError
from hndesc.training.data import PairBatches
from hndesc.training.settings import SchedulerSettings, training_settings
from hndesc.training.sources import TrainingPhotos
from hndesc.training.state import StateFolder
from hndesc.training.trainer import Trainer, learning_rate

BASE = {
    "steps": 6,
    "batch_size": 3,
    "crop_size": 48,
    "max_keypoints": 30,
    "learning_rate": 1e-2,
    "workers": 0,
    "log_every": 2,
    "save_every": 2,
    "validation": {"every": 3, "pairs": 3},
    "cache_megabytes": 8,
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 4, stride=4))


@pytest.fixture
def trainer_of(data, tmp_path):
    def make(model: nn.Module | None = None, place: str = "state", **changes) -> Trainer:
        settings = training_settings(BASE | changes)
        photos = TrainingPhotos(data.photos, data.keypoints, None, None, settings.cache_megabytes)
        validation = PairBatches(photos, photos.names[:3], settings, stream=1)
        training = PairBatches(photos, photos.names[3:], settings)
        state = StateFolder(tmp_path / place, "fingerprint")
        return Trainer(model or network(), training, [validation.batch(0)], settings, state)

    return make


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([values.flatten().double() for values in trainer.model.state_dict().values()])


def test_training_lowers_the_validation_loss_and_keeps_the_best(trainer_of):
    trainer = trainer_of(steps=40, validation={"every": 5, "pairs": 3})
    trainer.run()
    losses = {row["step"]: row["validation_loss"] for row in trainer.history.rows if row["validation_loss"] is not None}
    assert list(losses) == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    assert min(losses.values()) < losses[0] - 0.02
    assert trainer.best.loss == min(losses.values())
    assert losses[trainer.best.step] == trainer.best.loss
    assert 0 < trainer.best.accuracy <= 1


def test_rows_of_the_history(trainer_of):
    trainer = trainer_of()
    trainer.run()
    rows = trainer.history.rows
    assert [row["step"] for row in rows] == [0, 2, 3, 4, 6]
    assert rows[0]["loss"] is None
    assert all(0 < row["loss"] < 1 and row["ap"] == pytest.approx(1 - row["loss"]) for row in rows[1:])


@pytest.mark.parametrize("loss", [{"kind": "triplet"}, {"kind": "ap", "false_matches": 1.0}])
def test_losses_that_are_more_or_else_than_average_precision_are_not_shown_as_such(trainer_of, loss):
    trainer = trainer_of(loss=loss, pair={"unmatched": 0.2})
    trainer.run()
    assert all(row["ap"] is None for row in trainer.history.rows)


def test_the_same_seed_gives_the_same_weights(trainer_of):
    runs = [trainer_of(place=f"state{number}") for number in range(3)]
    runs[2].batches.settings = training_settings(BASE | {"seed": 1})
    for run in runs:
        run.run()
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_an_interrupted_run_resumes_to_the_same_weights_and_history(trainer_of, stop, monkeypatch):
    whole = trainer_of(place="whole")
    whole.run()
    broken = trainer_of(place="broken")
    update = broken._update

    def interrupted(stream):
        if broken.step == stop:
            raise KeyboardInterrupt
        return update(stream)

    monkeypatch.setattr(broken, "_update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    resumed = trainer_of(place="broken")
    resumed.run()
    assert torch.equal(weights(whole), weights(resumed))
    assert resumed.best.step == whole.best.step
    assert all(torch.equal(whole.best.weights[name], value) for name, value in resumed.best.weights.items())
    drop = {"seconds"}
    rows = [[{k: v for k, v in row.items() if k not in drop} for row in t.history.rows] for t in (whole, resumed)]
    assert rows[0] == rows[1]


def test_a_finished_state_is_not_trained_further(trainer_of):
    first = trainer_of()
    first.run()
    second = trainer_of()
    second.run()
    assert torch.equal(weights(first), weights(second))
    assert second.step == 6


def test_accumulated_batches_are_averaged(trainer_of):
    model = nn.Conv2d(3, 8, 4, stride=4)
    trainer = trainer_of(model, accumulation=2)
    gradients = []
    for number in range(2):
        model.zero_grad()
        trainer._loss(trainer.batches.batch(number), number).value.backward()
        gradients.append(model.weight.grad.clone())
    loss = trainer._update(iter([trainer.batches.batch(0), trainer.batches.batch(1)]))
    assert torch.allclose(model.weight.grad, (gradients[0] + gradients[1]) / 2, atol=1e-7)
    assert math.isfinite(loss)


def test_an_update_takes_as_many_batches_as_are_accumulated(trainer_of):
    trainer = trainer_of(accumulation=3, steps=2)
    seen = []
    batch = trainer.batches.batch
    trainer.batches.batch = lambda number: seen.append(number) or batch(number)
    trainer.run()
    assert seen == list(range(6))


def test_the_gradient_is_clipped(trainer_of):
    trainer = trainer_of(gradient_clip=1e-3)
    trainer._update(iter([trainer.batches.batch(0)]))
    norm = torch.stack([parameter.grad.norm() for parameter in trainer.model.parameters()]).norm()
    assert norm <= 1e-3 * (1 + 1e-4)


def test_a_loss_that_is_not_finite_stops_with_names_and_step_and_saves_the_state(trainer_of, monkeypatch):
    trainer = trainer_of()
    update = trainer._update

    def poisoned(stream):
        if trainer.step == 3:
            with torch.no_grad():
                trainer.model[0].weight.fill_(float("nan"))
        return update(stream)

    monkeypatch.setattr(trainer, "_update", poisoned)
    names = ", ".join(trainer.batches.batch(3).names)
    with pytest.raises(HndescError, match=rf"step 3: the batch of {names} has a loss that is not finite"):
        trainer.run()
    assert trainer.state.load()["step"] == 3


def test_an_empty_batch_stops_with_names_and_step(trainer_of):
    trainer = trainer_of()
    batch = trainer.batches.batch
    trainer.batches.batch = lambda number: batch(number)._replace(counts=torch.ones(6, dtype=torch.int64))
    names = ", ".join(batch(0).names)
    with pytest.raises(HndescError, match=f"step 0: the batch of {names} has no keypoint with a negative"):
        trainer.run()
    assert trainer.state.load()["step"] == 0


@pytest.mark.parametrize("changes", [{"precision": "bfloat16"}, {"channels_last": True}, {"loss": {"kind": "triplet"}}])
def test_options_train(trainer_of, changes):
    trainer = trainer_of(**changes)
    before = weights(trainer)
    trainer.run()
    assert not torch.equal(before, weights(trainer))
    assert all(math.isfinite(row["loss"]) for row in trainer.history.rows[1:])


def test_initial_weights_that_were_best_are_said_so(trainer_of, caplog):
    trainer = trainer_of(learning_rate=0.0)
    trainer.best.loss = -1.0
    trainer.best.step = 0
    trainer.run()
    assert "initial weights" in caplog.text


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_a_bar_in_a_terminal_and_lines_in_a_log(trainer_of, caplog, monkeypatch, terminal):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with caplog.at_level(logging.INFO):
        trainer_of().run()
    lines = re.findall(r"step (\d) of 6 \(\d+ %\), \d\d:\d\d left, loss \d\.\d{4}$", caplog.text, re.MULTILINE)
    assert lines == ([] if terminal else list("123456"))
    assert ("6/6" in stream.getvalue()) == ("\r" in stream.getvalue()) == terminal


def test_learning_rates():
    def rates(steps, **settings):
        return [learning_rate(1.0, SchedulerSettings(**settings), step, steps) for step in range(steps)]

    assert rates(7, kind="step", every=3, factor=0.5) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert rates(3, kind="constant") == [1, 1, 1]
    cosine = rates(100, kind="cosine")
    assert cosine[0] == 1
    assert cosine[50] == pytest.approx(0.5)
    assert cosine[99] == pytest.approx(0.0, abs=1e-3)
    assert cosine == sorted(cosine, reverse=True)
    assert rates(5, kind="constant", warmup=3) == [0.25, 0.5, 0.75, 1, 1]
