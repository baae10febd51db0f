"""Numbered batches of a training, made in this process or by workers, the same either way and after any resume."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol, TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

from hndesc.errors import HndescError

logger = logging.getLogger(__name__)

# Identifiers of the random number streams of training and validation.
TRAINING, VALIDATION = 0, 1


class _Batch(Protocol):
    """A batch that names the photos replaced in it."""

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """(photo, reason) of photos that could not be read."""
        ...


BatchT = TypeVar("BatchT", bound=_Batch)


class NumberedBatches(Dataset[BatchT | HndescError], ABC):
    """Batches by number: a batch depends on the settings and its number only."""

    @abstractmethod
    def batch(self, number: int) -> BatchT:
        """Return batch `number`."""

    def close(self) -> None:
        """Close open files, which worker processes would inherit. By default there are none."""

    def __getitem__(self, number: int) -> BatchT | HndescError:
        """Return batch `number`, or its HndescError, which workers can return but not raise unchanged."""
        try:
            return self.batch(number)
        except HndescError as error:
            return error


def stream_batches(
    dataset: NumberedBatches[BatchT], numbers: range, workers: int, pin_memory: bool = False
) -> Iterator[BatchT]:
    """Yield the batches of `numbers` in order, made in this process (no workers) or prefetched by worker processes.

    Each unreadable photo is logged once.

    Raises:
        HndescError: no batch can be made.
    """
    dataset.close()
    if workers:
        # Workers inherit this. Setting it in a worker would deadlock: OpenCV's thread pool does not survive a fork.
        cv2.setNumThreads(1)
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        collate_fn=_identity,
        pin_memory=pin_memory,
    )
    warned: set[str] = set()
    for batch in loader:
        if isinstance(batch, HndescError):
            raise batch
        for name, reason in batch.skipped:
            if name not in warned:
                logger.warning("unreadable photo replaced by another: %s", reason)
                warned.add(name)
        yield batch


def _identity(batch: BatchT | HndescError) -> BatchT | HndescError:
    return batch
