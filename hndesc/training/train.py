"""The training step."""

import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError, counted
from hndesc.io.files import check_output_files
from hndesc.io.locks import writing
from hndesc.models.architectures import MODELS
from hndesc.models.backbone import Backbone
from hndesc.models.checkpoint import check_checkpoint, save_checkpoint
from hndesc.models.initial_weights import build_model, in_octaves, interpolated
from hndesc.runtime.plugins import load_place
from hndesc.runtime.provenance import file_hash, versions
from hndesc.training.batches import VALIDATION
from hndesc.training.data import Batch, PairBatches
from hndesc.training.settings import STEERER_FIT, TrainingSettings, fingerprint, training_settings
from hndesc.training.sources import TrainingPhotos, files_of, held_out
from hndesc.training.state import StateFolder
from hndesc.training.trainer import Trainer
from hndesc.training.validation_record import write_record

logger = logging.getLogger(__name__)

_STEERER_PHOTOS = 100  # evenly spaced; more do not improve it (docs/notes/training.md)


def train(
    photos: Path,
    keypoints: Path | Sequence[Path],
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

    An interrupted run resumes from its latest state if settings and data are unchanged. On a CPU with the same number
    of threads, it ends with exactly the weights of an uninterrupted run. Several processes can share each batch
    (`hndesc.training.launch`).

    Args:
        photos: folder of photos.
        keypoints: feature file of these photos; or several, one of which is drawn for each pair.
        stylized: folder of their stylized copies. None: second crops are cut from the photos themselves.
        neighbors: table of the most similar photos of each photo, used by the negatives `in_batch_global` only.
        output: checkpoint (.safetensors, next to its card) with the weights of the lowest validation loss.
        initial: checkpoint of the weights before training.
        history: CSV file of losses, accuracy and learning rate by step.
        state: folder of the rolling state and the TensorBoard logs; a finished run leaves at most the logs.
        record: file (.npz) with matches and similarities of validation pairs before and after training, for figures
            (`hndesc.training.validation_record.write_record`). None: not written.
        **settings: see `hndesc.training.settings.TrainingSettings`.

    Raises:
        HndescError: the settings are invalid, the data is unusable, or a loss is not finite.
    """
    first = os.environ.get("RANK", "0") == "0"  # of the processes that share each batch
    with writing(state) if first else nullcontext():
        chosen = training_settings(settings)
        inputs = [*files_of(keypoints), *files_of(neighbors or ())]
        for path in (output, initial):
            check_checkpoint(path, inputs)
        check_output_files([output, initial, history, record], inputs)
        _check_detectors(chosen, files_of(keypoints))
        MODELS.module(chosen.architecture)  # report an unknown name before the data is read
        if chosen.stylized_probability == 0:
            stylized = None
        data = _open_photos(Path(photos), files_of(keypoints), stylized, neighbors, chosen)
        summary = data.summary()
        training, validation = _split(data, chosen)
        model = build_model(chosen.architecture, chosen.weights, chosen.seed)
        card = {"settings": chosen.model_dump(), "data": summary, "seed": chosen.seed, "versions": versions()}
        sources = summary | {"files": data.identity()}
        if chosen.weights is not None and os.path.isfile(chosen.weights):
            sources["weights"] = file_hash(chosen.weights)
        start = {name: values.clone() for name, values in model.state_dict().items()}
        folder = StateFolder(state, fingerprint(chosen, sources))
        trainer = Trainer(model, training, validation, chosen, folder)
        if trainer.group.first:
            _write(initial, model, chosen.octaves, card | {"trained": False, "metrics": {}})
        networks = {"untrained": trainer.describe_validation()}
        trainer.run()
        if not trainer.group.first:
            return
        best = trainer.best
        model.load_state_dict(interpolated(best.weights or start, start, chosen.initial_share))
        metrics = {"step": best.step, "validation_loss": best.loss, "accuracy": best.accuracy}
        trainer.history.write(history)
        if record is not None:
            write_record(record, validation[0], networks | {"trained": trainer.describe_validation()})
        card |= {"trained": True, "metrics": metrics}
        if chosen.steerer:
            _write_steered(output, model, chosen, card, data)
        else:
            _write(output, model, chosen.octaves, card, chosen.half_weights)
        folder.remove(keep_logs=chosen.keep_logs)
        logger.info("%s: the weights of step %d, validation loss %.4f", output, best.step, best.loss)


def _write(path: Path, model: Backbone, octaves: bool, card: dict[str, Any], half: bool = False) -> None:
    save_checkpoint(path, in_octaves(model) if octaves else model, card, half)


def _write_steered(
    output: Path, model: Backbone, settings: TrainingSettings, card: dict[str, Any], data: TrainingPhotos
) -> None:
    """Write a model with a steerer, which is fitted to the model as it is written."""
    count = min(len(data.names), _STEERER_PHOTOS)
    names = [data.names[number * len(data.names) // count] for number in range(count)]
    images = [ImageEntry(name, data.folder / name) for name in names]
    with tempfile.TemporaryDirectory(prefix="hndesc-training-") as folder:
        unsteered = Path(folder) / Path(output).name
        _write(unsteered, model, settings.octaves, card, settings.half_weights)
        try:
            before, after = load_place(STEERER_FIT)(unsteered, images, output, settings.device)
        except HndescError as error:
            raise HndescError(f"{error}, or set steerer: false: training resumes from its last step") from None
    logger.info("mean cosine after a quarter turn %.3f, with the steerer %.3f", before, after)


def _check_detectors(settings: TrainingSettings, keypoints: Sequence[Path]) -> None:
    count = len(settings.detectors or ("one",))
    if len(keypoints) != count:
        raise HndescError(f"training.detectors asks for {counted(count, 'file')} of keypoints, not {len(keypoints)}")


def _open_photos(
    photos: Path, keypoints: Sequence[Path], stylized: Path | None, neighbors: Path | None, settings: TrainingSettings
) -> TrainingPhotos:
    needed = settings.loss.negatives == "in_batch_global"
    if needed and neighbors is None:
        raise HndescError("loss.negatives 'in_batch_global' needs a neighbor table; compute it first")
    return TrainingPhotos(photos, keypoints, stylized, neighbors if needed else None, settings.cache_megabytes)


def _split(data: TrainingPhotos, settings: TrainingSettings) -> tuple[PairBatches, list[Batch]]:
    """Return the training batches and the fixed validation batches of held-out photos."""
    least = 1 if settings.loss.negatives == "in_pair" else 2
    held = held_out(data.names, settings.validation.share, least, settings.seed)
    rest = sorted(set(data.names) - set(held))
    if len(held) < least or len(rest) < least:
        raise HndescError(
            f"{data.folder}: {len(data.names)} usable photos are too few; negatives '{settings.loss.negatives}' need "
            f"{least} for training and {least} for validation"
        )
    logger.info("%s for training, %d for validation", counted(len(rest), "photo"), len(held))
    batches = PairBatches(data, held, settings, VALIDATION)
    fixed = [batches.batch(number) for number in range(-(-settings.validation.pairs // settings.batch_size))]
    return PairBatches(data, rest, settings), fixed
