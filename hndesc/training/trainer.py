"""The training loop: updates, validation, the best weights and the rolling state."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from hndesc.errors import HndescError, reason
from hndesc.runtime.devices import choose_device
from hndesc.runtime.progress import ProgressLines
from hndesc.training.batches import stream_batches
from hndesc.training.data import Batch, PairBatches
from hndesc.training.distributed import join_group, share_batch_norms
from hndesc.training.evaluation import batch_loss, describe, validate
from hndesc.training.history import History, TensorBoardLog
from hndesc.training.losses import Anchors, Loss
from hndesc.training.settings import SchedulerSettings, TrainingSettings
from hndesc.training.state import StateFolder
from hndesc.training.validation_record import draw_matches, similarities

logger = logging.getLogger(__name__)


@dataclass
class Best:
    """The weights with the lowest validation loss so far, and their step and scores."""

    step: int = -1
    loss: float = math.inf
    accuracy: float = math.nan
    weights: dict[str, Tensor] | None = None


class Trainer:
    """Train a network on batches of pairs.

    Args:
        model: network with its initial weights.
        batches: training batches by number.
        validation: fixed batches of held-out photos.
        settings: training settings.
        state: folder of the rolling state.

    Attributes:
        model: network with the latest weights.
        best: weights with the lowest validation loss, possibly the initial ones.
        history: rows of losses and scores.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: PairBatches,
        validation: list[Batch],
        settings: TrainingSettings,
        state: StateFolder,
    ) -> None:
        self.settings, self.batches, self.validation, self.state = settings, batches, validation, state
        self.group, self.device = join_group(choose_device(settings.device))
        if settings.batch_size % self.group.size:
            raise HndescError(f"batch_size {settings.batch_size} is not divisible by {self.group.size} processes")
        batches.group = self.group
        share_batch_norms(model, self.group)
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.model = model.to(self.device, memory_format=layout).train()
        self.network = torch.compile(self.model) if settings.compile else self.model
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.history, self.best, self.step = History(average_precision=settings.loss.is_average_precision), Best(), 0
        self._earlier, self._start = 0.0, time.monotonic()
        self._log: TensorBoardLog | None = None

    def run(self) -> None:
        """Train to the last step, starting from the saved state if there is one.

        Raises:
            HndescError: a loss is not finite, or a batch has no keypoint with a negative. The state before that step
                is saved.
        """
        self._restore()
        self._log = TensorBoardLog(self.state.logs, self.step) if self.group.first else None
        try:
            if not self.history.rows:
                self._record(self._validate())
            self._loop()
        finally:
            if self._log is not None:
                self._log.close()
        if self.best.step == 0:
            logger.warning("no validation loss was lower than that of the initial weights: these are kept")

    def _loop(self) -> None:
        settings, steps = self.settings, self.settings.steps
        numbers = range(self.step * settings.accumulation, steps * settings.accumulation)
        stream = stream_batches(self.batches, numbers, settings.workers, self.device.type == "cuda")
        disable = None if self.group.first else True
        lines = ProgressLines(steps, self.step)
        with tqdm(total=steps, initial=self.step, desc="training", unit="step", disable=disable) as bar:
            while self.step < steps:
                loss = self._update(stream)
                self.step += 1
                self.history.add(loss)
                bar.update()
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                if self.group.first and bar.disable and (line := lines.line(self.step)):
                    logger.info("%s, loss %.4f", line, loss)
                self._after_step()

    def _after_step(self) -> None:
        settings, last = self.settings, self.step == self.settings.steps
        if last or self.step % settings.validation.every == 0:
            self._record(self._validate())
        elif self.step % settings.log_every == 0:
            self._record(None)
        if last or self.step % settings.save_every == 0:
            self.save()

    def _update(self, stream: Iterator[Batch]) -> float:
        """Update the weights once and return the mean loss of the batches."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings.learning_rate, settings.scheduler, self.step, settings.steps)
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for part in range(settings.accumulation):
            loss = self._loss(next(stream), self.step * settings.accumulation + part)
            (loss.value / settings.accumulation).backward()
            total += loss.mean
        self.group.add_gradients(self.model)
        if settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), settings.gradient_clip)
        self.optimizer.step()
        return total / settings.accumulation

    def _loss(self, batch: Batch, number: int) -> Loss:
        settings, seed = self.settings, self.settings.seed + number
        loss = batch_loss(self.network, batch, settings.loss, self.device, settings.precision, seed, self.group)
        if loss.count == 0:
            cure = "use more or different photos, or a larger batch_size or crop_size"
            self._stop(batch, "has no keypoint with a negative", cure)
        if not math.isfinite(loss.mean):
            self._stop(batch, "has a loss that is not finite", "lower learning_rate, or set gradient_clip")
        return loss

    def _stop(self, batch: Batch, what: str, cure: str) -> None:
        self.save()
        raise HndescError(
            f"training stopped at step {self.step}: the batch of {', '.join(batch.names)} {what}; {cure} "
            f"(the state before this step is in {self.state.file})"
        )

    def _validate(self) -> dict[str, float]:
        settings = self.settings
        scores = validate(self.network, self.validation, settings.loss, self.device, settings.precision, settings.seed)
        if scores["validation_loss"] < self.best.loss:
            weights = {name: values.detach().cpu().clone() for name, values in self.model.state_dict().items()}
            self.best = Best(self.step, scores["validation_loss"], scores["accuracy"], weights)
        logger.info(
            "step %d: validation loss %.4f, accuracy %.3f", self.step, scores["validation_loss"], scores["accuracy"]
        )
        return scores

    def _record(self, validation: dict[str, float] | None) -> None:
        rate = learning_rate(self.settings.learning_rate, self.settings.scheduler, self.step, self.settings.steps)
        row = self.history.close_row(self.step, rate, self._seconds(), validation)
        if self._log is None:
            return
        self._log.write(row)
        if validation is not None:
            self._show_validation(self._log)

    def _show_validation(self, log: TensorBoardLog) -> None:
        anchors = self.describe_validation()
        log.show(self.step, draw_matches(self.validation[0], anchors), *similarities(anchors))

    @torch.no_grad()
    def describe_validation(self) -> Anchors:
        """Describe the first validation batch with the current weights."""
        self.model.eval()
        anchors, _ = describe(self.network, self.validation[0], self.device, self.settings.precision)
        self.model.train()
        return anchors

    def _seconds(self) -> float:
        return self._earlier + time.monotonic() - self._start

    def save(self) -> None:
        """Save the state from which an interrupted run resumes."""
        if not self.group.first:
            return
        self.state.save(
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best": vars(self.best),
                "history": self.history.state(),
                "seconds": self._seconds(),
            }
        )

    def _restore(self) -> None:
        # The first process goes first, since it removes a state that does not belong to this run.
        state = self.state.load() if self.group.first else None
        self.group.wait()
        state = state if self.group.first else self.state.load()
        self.group.wait()
        if state is None:
            return
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.best = state["step"], Best(**state["best"])
            self.history, self._earlier = History(**state["history"]), state["seconds"]
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise HndescError(
                f"{self.state.folder}: its state does not belong to this training ({reason(error)}); delete the folder "
                "to start from the beginning"
            ) from None


def learning_rate(base: float, scheduler: SchedulerSettings, step: int, steps: int) -> float:
    """Return the learning rate of update `step` (from 0) of `steps`."""
    rise = min(1.0, (step + 1) / (scheduler.warmup + 1))
    if scheduler.kind == "step":
        return base * rise * scheduler.factor ** (step // scheduler.every)
    if scheduler.kind == "cosine":
        return base * rise * 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))
    return base * rise
