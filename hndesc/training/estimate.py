"""Estimates of the number of photos and the hours of a training, shown before it starts."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from hndesc.errors import HndescError, counted
from hndesc.io.files import read_json
from hndesc.io.images import find_images
from hndesc.training.settings import TrainingSettings, training_settings

# Steps after the start that a training must have for its speed to count.
_LEAST_STEPS = 100
# Seconds per million crop pixels, forward and backward, measured on two CPU cores with AVX-512.
_MEASURED = {
    "lite": 0.37,
    "lite_pyramid": 1.4,
    "fast": 0.55,
    "fast_pyramid": 0.9,
    "caps": 18.0,
    "r2d2": 41.0,
    "r2d2_pyramid": 2.9,
    "r2d2_quarter": 2.4,
}


def expect_training(
    photos: Path, expected: str, trainings: Sequence[Mapping[str, Any]], finished: Sequence[Path]
) -> str:
    """Describe in two lines the data and the duration of trainings.

    Args:
        photos: folder of photos.
        expected: description of the photos, used if the folder does not exist yet.
        trainings: settings of each training that will run.
        finished: folders of earlier trainings; the measured speed of finished ones replaces the default, that of the
            longest where there are several of one architecture.
    """
    chosen = [training_settings(settings) for settings in trainings]
    measured = sorted(speed for folder in finished if (speed := measured_speed(folder)))
    speeds = {architecture: seconds for _, architecture, seconds in measured}
    if all(one.architecture in speeds for one in chosen):
        where = "at the speed of earlier trainings on this machine"
    else:
        where = "on two CPU cores, a fraction of it on a GPU (later estimates use the speed measured on this machine)"
    speeds = _MEASURED | speeds
    hours = sum(megapixels(one) * speeds[one.architecture] for one in chosen) / 3600
    steps = Counter(f"{counted(one.steps, 'step')} of {one.architecture}" for one in chosen)
    what = ", ".join(f"{counted(count, 'run')} of {text}" for text, count in steps.items())
    return f"To train on: {_count(Path(photos), expected)}.\nTo train: {what}; about {_format_hours(hours)} {where}."


def megapixels(settings: TrainingSettings) -> float:
    """Return the number of crop pixels that a network processes in a training, in millions."""
    crops = 3 if settings.loss.negatives == "in_batch_global" else 2
    batches = settings.steps * settings.accumulation
    return batches * settings.batch_size * crops * settings.crop_size**2 / 1e6


def measured_speed(folder: Path) -> tuple[int, str, float] | None:
    """Return the steps, the architecture and the seconds per million pixels of a finished training.

    The median over the rows of the history counts, without the first steps: neither start nor validation. None if there
    is no finished training, or if it was too short.
    """
    try:
        settings = training_settings(read_json(folder / "model.json")["settings"])
        with open(folder / "history.csv", encoding="utf-8", newline="") as stream:
            rows = [(int(row["step"]), float(row["seconds"])) for row in csv.DictReader(stream)]
    except (HndescError, OSError, KeyError, TypeError, ValueError):
        return None
    rows = rows[1:]
    if len(rows) < 2 or rows[-1][0] - rows[0][0] < _LEAST_STEPS:
        return None
    pace = median((late - early) / (b - a) for (a, early), (b, late) in pairwise(rows) if b > a)
    return rows[-1][0], settings.architecture, pace * settings.steps / megapixels(settings)


def _count(photos: Path, expected: str) -> str:
    try:
        return f"{counted(len(find_images(photos)), 'photo')} in {photos}"
    except HndescError:
        return f"{photos}, which does not exist yet" + (f" ({expected})" if expected else "")


def _format_hours(hours: float) -> str:
    if hours < 1:
        minutes = max(1, round(60 * hours))
        return counted(minutes, "minute")
    return f"{hours:,.0f} hours" if hours >= 10 else f"{hours:.1f} hours"
