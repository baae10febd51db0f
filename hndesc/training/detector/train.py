"""The training of the detector."""

import hashlib
import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from hndesc.errors import HndescError, counted, reason
from hndesc.geometry.repeatability import measure_repeatability
from hndesc.io.files import check_text_file
from hndesc.io.image_listing import find_images
from hndesc.io.locks import writing
from hndesc.models.keypoint_network import KeypointNetwork, check_weights, save_weights
from hndesc.runtime.devices import choose_device
from hndesc.runtime.provenance import file_state, versions
from hndesc.runtime.settings import read_settings
from hndesc.training.batches import VALIDATION, stream_batches
from hndesc.training.detector.data import ViewBatch, ViewBatches
from hndesc.training.detector.loss import detector_loss, find_peaks
from hndesc.training.detector.settings import DetectorSettings
from hndesc.training.history import write_rows
from hndesc.training.settings import SchedulerSettings
from hndesc.training.sources import held_out
from hndesc.training.state import StateFolder
from hndesc.training.trainer import learning_rate

logger = logging.getLogger(__name__)

_COLUMNS = ("step", "ranking", "agreement", "position", "found", "repeatability", "error", "learning_rate", "seconds")
# Settings that affect the speed or the files that are kept, but not the weights.
_WITHOUT_EFFECT = {"device", "workers", "cache_megabytes", "save_every"}
THRESHOLD = 3.0  # pixels, of validated repeatability


def train_detector(photos: Path, output: Path, **settings: Any) -> dict[str, float]:
    """Train the detector on single photos and write its checkpoint, its card and its history.

    An interrupted run resumes from its latest state, in the folder `<output>.state`, if settings and photos are
    unchanged. Beside the checkpoint, `<output>.csv` has the history: means of the terms of the loss since the row
    before, and repeatability and localization error (pixels) on pairs of held-out photos.

    Args:
        photos: folder of photos, with all below it.
        output: checkpoint to write (.safetensors).
        **settings: see `hndesc.training.detector.settings.DetectorSettings`.

    Returns:
        The last row of the history.

    Raises:
        HndescError: the settings do not fit the photos, an output is a foreign file, or the loss is not finite.
    """
    chosen = read_settings(DetectorSettings, settings, "detector training setting")
    photos, output = Path(photos), Path(output)
    history = output.with_suffix(".csv")
    check_weights(output)
    check_text_file(history, ",".join(_COLUMNS) + "\n")
    names = find_images(photos)
    validation = held_out(names, chosen.held_out, 1, chosen.seed)
    training = sorted(set(names) - set(validation))
    if not training:
        found = counted(len(names), "photo")
        raise HndescError(f"{photos}: contains {found}; training and validation need one each at least")
    states = [(name, file_state(photos / name)) for name in names]
    text = json.dumps([chosen.model_dump(exclude=_WITHOUT_EFFECT), states], sort_keys=True)
    state = StateFolder(output.with_suffix(".state"), hashlib.sha256(text.encode()).hexdigest())
    with writing(state.folder):
        trainer = DetectorTrainer(
            ViewBatches(photos, training, chosen), ViewBatches(photos, validation, chosen, VALIDATION), chosen, state
        )
        trainer.run()
        card = {"settings": chosen.model_dump(), "photos": len(names), "versions": versions()}
        write_rows(history, _COLUMNS, trainer.rows)
        # Last, since the command takes a file of weights for a finished training.
        save_weights(output, trainer.network, card | {"metrics": trainer.rows[-1]})
        state.remove()
    return trainer.rows[-1]


class DetectorTrainer:
    """Train the network of the detector.

    Args:
        batches: training pairs.
        validation: pairs of held-out photos.
        settings: training settings.
        state: folder of the rolling state.

    Attributes:
        network: network with the latest weights.
        rows: history, a row for each validation.
    """

    def __init__(
        self, batches: ViewBatches, validation: ViewBatches, settings: DetectorSettings, state: StateFolder
    ) -> None:
        self.batches, self.settings, self.state = batches, settings, state
        count = math.ceil(settings.validation_pairs / settings.batch_size)
        self.validation = [validation.batch(number) for number in range(count)]
        self.device = choose_device(settings.device)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(settings.seed)
            network = KeypointNetwork()
        self.network = network.to(self.device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate)
        self.schedule = SchedulerSettings(kind="cosine", warmup=settings.warmup)
        self.rows: list[dict[str, float]] = []
        self.step = 0
        self._terms: list[list[float]] = []
        self._earlier, self._start = 0.0, time.monotonic()

    def run(self) -> None:
        """Train to the last step, starting from the saved state if there is one.

        Raises:
            HndescError: the loss is not finite.
        """
        self._restore()
        settings = self.settings
        numbers = range(self.step, settings.steps)
        stream = stream_batches(self.batches, numbers, settings.workers)
        with tqdm(total=settings.steps, initial=self.step, desc="training", unit="step", disable=None) as bar:
            for batch in stream:
                self._terms.append(self._update(batch))
                self.step += 1
                bar.update()
                last = self.step == settings.steps
                if last or self.step % settings.validate_every == 0:
                    self._validate()
                if self.step % settings.save_every == 0 and not last:
                    self._save()

    def _update(self, batch: ViewBatch) -> list[float]:
        """Update the weights once and return the terms of the loss."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings.learning_rate, self.schedule, self.step, settings.steps)
        loss = detector_loss(self._logits(batch), batch.homographies.to(self.device), settings.loss)
        value = loss.ranking + settings.loss.agreement * loss.agreement + settings.loss.position * loss.position
        if not value.isfinite():
            raise HndescError(f"step {self.step}: the loss is not finite; lower learning_rate")
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        self.optimizer.step()
        return [term.item() for term in loss]

    def _logits(self, batch: ViewBatch) -> Tensor:
        images = batch.images.to(self.device).permute(0, 3, 1, 2).float() / 255
        return self.network(images.contiguous(memory_format=torch.channels_last))

    def _validate(self) -> None:
        found = self._repeatability()
        means = np.mean(self._terms, axis=0).tolist()
        rate = learning_rate(self.settings.learning_rate, self.schedule, self.step, self.settings.steps)
        values = (self.step, *means, *found, rate, round(self._seconds(), 2))
        self.rows.append(dict(zip(_COLUMNS, values, strict=True)))
        self._terms = []
        logger.info("step %d: %s", self.step, ", ".join(f"{key} {self.rows[-1][key]:.3f}" for key in _COLUMNS[1:7]))

    @torch.no_grad()
    def _repeatability(self) -> tuple[float, float]:
        """Return mean repeatability and localization error (pixels) on the pairs of held-out photos."""
        self.network.eval()
        side, scores = self.settings.crop_size, []
        for batch in self.validation:
            peaks = find_peaks(self._logits(batch), self.settings.loss)
            points = [
                one[valid][: self.settings.keypoints].cpu().numpy()
                for one, valid in zip(peaks.points, peaks.valid, strict=True)
            ]
            half = len(points) // 2
            for first, second, matrix in zip(points[:half], points[half:], batch.homographies.numpy(), strict=True):
                scores.append(measure_repeatability(first, second, matrix, ((side, side),) * 2, THRESHOLD))
        self.network.train()
        errors = [score.error for score in scores if len(score.distances)]
        return float(np.mean([score.share for score in scores])), float(np.mean(errors)) if errors else math.nan

    def _seconds(self) -> float:
        return self._earlier + time.monotonic() - self._start

    def _save(self) -> None:
        self.state.save(
            {
                "step": self.step,
                "model": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "rows": self.rows,
                "terms": self._terms,
                "seconds": self._seconds(),
            }
        )

    def _restore(self) -> None:
        state: dict[str, Any] | None = self.state.load()
        if state is None:
            return
        try:
            self.network.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.rows, self._terms = state["step"], state["rows"], state["terms"]
            self._earlier = state["seconds"]
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise HndescError(
                f"{self.state.folder}: its state does not belong to this training ({reason(error)}); delete the folder "
                "to start from the beginning"
            ) from None
