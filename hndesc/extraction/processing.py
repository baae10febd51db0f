"""What detection and description share: reading of images, resuming, and the settings in feature files."""

import logging
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from threading import local
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from hndesc import __version__
from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError, ImageError, counted
from hndesc.io.features import Features, FeatureWriter
from hndesc.io.hdf5 import check_hdf5_output
from hndesc.io.images import scale_points

logger = logging.getLogger(__name__)

_READ_AHEAD = 2
# Images per process that are handed out at a time. It bounds the memory of results that wait to be written.
_BATCH = 8
# Up to this number, workers are threads, which start at once. A process takes 1.7 s to import torch, but many threads
# would wait for Python's lock, which each holds for about a tenth of an image's time.
_MOST_THREADS = 4
# What is done with an image: its entry, its pixels, and its stored features where there are some.
Work = Callable[[ImageEntry, np.ndarray, Features | None], Features]
# An image with its stored features, or with the reason for which it is not processed.
_Item = tuple[ImageEntry, Features | ImageError | None]
_Begun = TypeVar("_Begun")


def check_output(output: str | Path, images: Sequence[ImageEntry], *inputs: Any) -> None:
    """Refuse an output that cannot be written or is an image or another input; None among `inputs` is skipped."""
    check_hdf5_output(output, [*filter(None, inputs), *(entry.path for entry in images)])


def recorded_settings(
    detector: dict | None, resize_max: int | None, descriptor: dict | None = None, views: bool = False
) -> dict:
    """Return the settings that a feature file records."""
    settings = {"hndesc": __version__, "detector": detector, "resize_max": resize_max}
    if descriptor is None:
        return settings
    return settings | {"descriptor": descriptor} | ({"views": True} if views else {})


def rescale(features: Features, factors: np.ndarray, image: np.ndarray) -> Features:
    """Scale features to a resized image."""
    keypoints = scale_points(features.keypoints, factors).astype(np.float32)
    extra = dict(features.extra)
    if "sizes" in extra:
        extra["sizes"] = (extra["sizes"] * np.sqrt(np.prod(factors))).astype(np.float32)
    return replace(features, keypoints=keypoints, image_size=(image.shape[1], image.shape[0]), extra=extra)


def process_images(
    images: Sequence[ImageEntry],
    output: str | Path,
    settings: dict,
    work: Work,
    failed: dict[str, str] | None = None,
    source: str = "",
    stored: Callable[[str], Features] | None = None,
    workers: int = 1,
) -> None:
    """Store what `work` returns for each image; an interrupted run with equal settings and sources is resumed.

    Args:
        images: images to process.
        output: feature file to write.
        settings: recorded in the file.
        work: can be pickled if there are several workers.
        failed: images that are not processed -> why.
        source: identity of the keypoints that are described.
        stored: reads the features of an image by its name.
        workers: number of images at a time, each on one core; 1: one image on all cores.

    Raises:
        HndescError: there are no images, or none is readable.
    """
    if not images:
        raise HndescError(f"{output}: no images to process")
    known = failed or {}
    reasons: list[str] = []
    empty = 0
    entries = {entry.name: entry.identity for entry in images}
    with FeatureWriter(output, settings, source, entries) as writer:
        waiting = [entry for entry in images if entry.name not in writer]
        progress = tqdm(waiting, desc=Path(output).name, unit="photo", disable=None)

        def given(entry: ImageEntry) -> Features | ImageError | None:
            if entry.name in known:
                return ImageError(known[entry.name])
            return stored(entry.name) if stored else None

        with _processor(work, min(workers, len(waiting) or 1)) as results:
            for entry, result in results((entry, given(entry)) for entry in progress):
                try:
                    if isinstance(result, ImageError):
                        raise result
                    writer.write(entry.name, result)
                except ImageError as error:
                    reasons.append(str(error))
                    logger.warning("skipped '%s': %s", entry.name, error)
                    writer.fail(entry.name, str(error))
                    continue
                if len(result) == 0:
                    empty += 1
                    logger.warning("no keypoint in '%s'", entry.name)
        if len(reasons) == len(images):
            raise HndescError(f"{output}: none of {len(images)} images is readable (first: {reasons[0]})")
    images_read = counted(len(images), "image")
    # Without the folder, which may be a hidden one that is renamed in the end.
    logger.info("%s: %s, %d skipped, %d without keypoints", Path(output).name, images_read, len(reasons), empty)


@contextmanager
def _processor(
    work: Work, count: int
) -> Iterator[Callable[[Iterator[_Item]], Iterator[tuple[ImageEntry, Features | ImageError]]]]:
    """Yield a function that processes images in their order: one at a time, in threads or in processes."""
    if count == 1:
        yield partial(_one_at_a_time, work)
        return
    from hndesc.runtime.processes import one_core, workers  # needs packages beyond the core

    if count <= _MOST_THREADS:
        with one_core(), _thread_pool(count) as pool:
            yield partial(_in_threads, work, pool, _READ_AHEAD * count)
        return
    with workers(partial(_process, work), count) as process:
        yield partial(_in_batches, process, _BATCH * count)


def _in_batches(
    process: Callable[[list[_Item]], Iterator[Features | ImageError]], size: int, items: Iterator[_Item]
) -> Iterator[tuple[ImageEntry, Features | ImageError]]:
    while batch := list(islice(items, size)):
        yield from zip((entry for entry, _ in batch), process(batch), strict=True)


@contextmanager
def _thread_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of threads, which at the end finish what they have begun and nothing else."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _in_threads(
    work: Work, pool: ThreadPoolExecutor, ahead: int, items: Iterator[_Item]
) -> Iterator[tuple[ImageEntry, Features | ImageError]]:
    """Process up to `ahead` images besides the one that is waited for, each thread with its own copy of `work`."""
    own, pickled = local(), pickle.dumps(work)

    def process(item: _Item) -> Features | ImageError:
        if not hasattr(own, "work"):
            own.work = pickle.loads(pickled)
        return _process(own.work, item)

    for (entry, _), processed in _started(lambda item: pool.submit(process, item), ahead, items):
        yield entry, processed.result()


def _one_at_a_time(work: Work, items: Iterator[_Item]) -> Iterator[tuple[ImageEntry, Features | ImageError]]:
    """Process images while the next ones are read by a thread."""
    with ThreadPoolExecutor(1) as pool:

        def read(item: _Item) -> Future | None:
            entry, stored = item
            return None if isinstance(stored, ImageError) else pool.submit(entry.read)

        for item, reading in _started(read, _READ_AHEAD, items):
            yield item[0], _process(work, item, reading)


def _started(start: Callable[[_Item], _Begun], ahead: int, items: Iterator[_Item]) -> Iterator[tuple[_Item, _Begun]]:
    """Yield items in their order with what `start` returned for them, `ahead` items earlier."""
    begun: deque[tuple[_Item, _Begun]] = deque()
    for item in items:
        begun.append((item, start(item)))
        if len(begun) > ahead:
            yield begun.popleft()
    yield from begun


def _process(work: Work, item: _Item, reading: Future | None = None) -> Features | ImageError:
    """Return the features of an image, which is read here if no thread reads it, or why it has none."""
    entry, stored = item
    if isinstance(stored, ImageError):
        return stored
    try:
        image = entry.read() if reading is None else reading.result()
        return replace(work(entry, image, stored), orientation=entry.orientation)
    except ImageError as error:
        return error
