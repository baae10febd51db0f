"""A folder of photos to a trained model: keypoints, neighbors and training in one resumable job."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError
from hndesc.extraction.detection import detect_keypoints
from hndesc.io.files import check_parent, read_json, write_json
from hndesc.io.owned_folders import check_apart
from hndesc.retrieval.ranking import find_neighbors
from hndesc.training.launch import train_distributed
from hndesc.training.settings import TrainingSettings, training_settings

MODEL, INITIAL, HISTORY, STATE = "model.safetensors", "initial.safetensors", "history.csv", "state"
_RECORD, _NEIGHBORS = "training_inputs.json", "neighbors.tsv"


def train_on_photos(
    photos: Path,
    output: Path,
    settings: Mapping[str, Any],
    *,
    keypoints: Sequence[Path] = (),
    detector: str = "sift",
    detection: Mapping[str, Any] | None = None,
    stylized: Path | None = None,
    workers: int = 1,
    processes: int = 1,
    threads: int | None = None,
) -> None:
    """Train a model on a folder of photos; an interrupted run resumes.

    Args:
        photos: folder of photos, with all below it.
        output: folder that gets `model.safetensors` and `initial.safetensors`, each with its card, `history.csv`,
            `state` with the TensorBoard logs and, if they are made here, keypoints and neighbors.
        settings: see `hndesc.training.settings.TrainingSettings`.
        keypoints: feature files of the photos, one for each of the setting `detectors`; none: they are detected.
        detector: what detects them, unless the settings name `detectors`.
        detection: further settings of `hndesc.extraction.detection.detect_keypoints` for it, as JSON has them.
        stylized: folder of stylized copies (`hndesc.stylization.stylize`); None: crops are cut from the photos alone.
        workers: processes that detect keypoints.
        processes: of training, see `hndesc.training.launch.train_distributed`.
        threads: of all processes.

    Raises:
        HndescError: a setting is invalid, the photos are unusable, or `output` has a finished training or overlaps
            with an input.
    """
    chosen = training_settings(settings)
    _check_output(output, [photos, stylized])
    made = _make_inputs(photos, output, chosen, keypoints, detector, detection or {}, workers)
    train_distributed(
        processes,
        threads=threads,
        photos=photos,
        **made,
        stylized=stylized,
        output=output / MODEL,
        initial=output / INITIAL,
        history=output / HISTORY,
        state=output / STATE,
        **settings,
    )


def _check_output(output: Path, inputs: Sequence[Path | None]) -> None:
    check_apart(output, Path(os.path.realpath(output)), inputs)
    if output.exists() and not output.is_dir():
        raise HndescError(f"{output}: not a folder, but training writes one there; choose another place")
    check_parent(output / MODEL)
    if (output / MODEL).exists():
        raise HndescError(f"{output / MODEL}: has been trained; choose another folder, or move it away to train again")


def _make_inputs(
    photos: Path,
    output: Path,
    settings: TrainingSettings,
    keypoints: Sequence[Path],
    detector: str,
    detection: Mapping[str, Any],
    workers: int,
) -> dict[str, Any]:
    """Return `keypoints` and `neighbors`; what is not given is made below `output` unless it exists."""
    images = list_images(photos)
    of_each = {name: dict(detection) if name == detector else {} for name in settings.detectors or [detector]}
    made = {} if keypoints else {output / "keypoints" / f"{name}.h5": name for name in of_each}
    neighbors = output / _NEIGHBORS if settings.loss.negatives == "in_batch_global" else None
    record = {"detection": of_each, "photos": [[image.name, image.identity] for image in images]}
    current = _read_record(output / _RECORD) == record
    if not current:
        (output / _RECORD).unlink(missing_ok=True)
    for file, name in made.items():
        if not (current and file.is_file()):
            detect_keypoints(images, file, name, workers=workers, **of_each[name])
    if neighbors is not None and not (current and neighbors.is_file()):
        find_neighbors(photos, neighbors)
    write_json(output / _RECORD, record)
    return {"keypoints": list(keypoints) or list(made), "neighbors": neighbors}


def _read_record(path: Path) -> dict:
    """Return what keypoints and neighbors were made from, empty where there are none."""
    if not os.path.lexists(path):
        return {}
    found = read_json(path)
    if found.keys() != {"detection", "photos"}:
        raise HndescError(f"{path}: exists and was not made by hndesc; move it away or choose another output")
    return found
