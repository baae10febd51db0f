"""The step that trains a model."""

import logging
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hndesc.errors import HndescError
from hndesc.io.files import check_output_files
from hndesc.io.locks import writing
from hndesc.models.architectures import MODELS
from hndesc.models.checkpoint import check_checkpoint, save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.runtime.provenance import versions
from hndesc.training.data import VALIDATION, Batch, PairBatches
from hndesc.training.settings import TrainingSettings, fingerprint, training_settings
from hndesc.training.sources import TrainingPhotos, held_out
from hndesc.training.state import StateFolder
from hndesc.training.trainer import Trainer
from hndesc.training.validation_record import write_record

logger = logging.getLogger(__name__)


def train(
    photos: Path,
    keypoints: Path,
    stylized: Path | None,
    neighbors: Path | None,
    output: Path,
    initial: Path,
    history: Path,
    state: Path,
    record: Path | None = None,
    **settings: Any,
) -> None:
    """Train a backbone on pairs of crops of single photos.

    A run that was interrupted resumes from its latest state when settings and data are the same; on a CPU, with the
    same number of threads, it ends with the very weights of a run that was not. Several processes share each batch
    (`hndesc.training.launch`).

    Args:
        photos: folder of photos.
        keypoints: feature file of these photos.
        stylized: folder of their stylized copies, None: second crops are cut from the photos themselves.
        neighbors: table of each photo's nearest others, for the negatives `in_batch_global` only.
        output: checkpoint (.safetensors, its card beside it) of the weights with the lowest validation loss.
        initial: checkpoint of the weights before training.
        history: CSV file of losses, accuracy and learning rate by step.
        state: folder of the rolling state and of TensorBoard's logs; of a finished run the logs remain, if any.
        record: file (.npz) of what the network makes of validation pairs before and after training, for pictures
            (`hndesc.training.validation_record.write_record`); None: none is written.
        **settings: see `hndesc.training.settings.TrainingSettings`.

    Raises:
        HndescError: wrong settings, unusable data, or a loss that is not finite.
    """
    first = os.environ.get("RANK", "0") == "0"  # of the processes that train together
    with writing(state) if first else nullcontext():
        chosen = training_settings(settings)
        for path in (output, initial):
            check_checkpoint(path, [keypoints])
        check_output_files([output, initial, history, record], filter(None, [keypoints, neighbors]))
        MODELS.module(chosen.architecture)  # an unknown name is told before the data is read
        if chosen.stylized_probability == 0:
            stylized = None
        data = _open(Path(photos), Path(keypoints), stylized, neighbors, chosen)
        summary = data.summary()
        training, validation = _split(data, chosen)
        model = build_model(chosen.architecture, chosen.weights, chosen.seed)
        card = {"settings": chosen.model_dump(), "data": summary, "seed": chosen.seed, "versions": versions()}
        folder = StateFolder(state, fingerprint(chosen, summary | {"files": data.identity()}))
        trainer = Trainer(model, training, validation, chosen, folder)
        if trainer.group.first:
            save_checkpoint(initial, model, card | {"trained": False, "metrics": {}})
        views = {"untrained": trainer.look()}
        trainer.run()
        if not trainer.group.first:
            return
        best = trainer.best
        model.load_state_dict(best.weights)
        metrics = {"step": best.step, "validation_loss": best.loss, "accuracy": best.accuracy}
        trainer.history.write(history)
        if record is not None:
            write_record(record, validation[0], views | {"trained": trainer.look()})
        save_checkpoint(output, model, card | {"trained": True, "metrics": metrics}, chosen.half_weights)
        folder.remove(keep_logs=chosen.keep_logs)
        logger.info("%s: the weights of step %d, validation loss %.4f", output, best.step, best.loss)


def _open(
    photos: Path, keypoints: Path, stylized: Path | None, neighbors: Path | None, settings: TrainingSettings
) -> TrainingPhotos:
    wanted = settings.loss.negatives == "in_batch_global"
    if wanted and neighbors is None:
        raise HndescError("loss.negatives 'in_batch_global' needs the neighbors of the photos; find them first")
    return TrainingPhotos(photos, keypoints, stylized, neighbors if wanted else None, settings.cache_megabytes)


def _split(data: TrainingPhotos, settings: TrainingSettings) -> tuple[PairBatches, list[Batch]]:
    """Return the training batches, and the fixed batches of the photos that are held out."""
    least = 1 if settings.loss.negatives == "in_pair" else 2
    held = held_out(data.names, settings.validation.share, least, settings.seed)
    rest = sorted(set(data.names) - set(held))
    if len(held) < least or len(rest) < least:
        raise HndescError(
            f"{data.folder}: {len(data.names)} usable photos are too few; negatives '{settings.loss.negatives}' need "
            f"{least} to train on and {least} to validate with"
        )
    logger.info("%d photos to train on, %d to validate with", len(rest), len(held))
    batches = PairBatches(data, held, settings, VALIDATION)
    fixed = [batches.batch(number) for number in range(-(-settings.validation.pairs // settings.batch_size))]
    return PairBatches(data, rest, settings), fixed
