"""Training by several processes of one machine, which share each batch: started, watched and ended together.

Nothing is opened to the network: the processes meet by a file and talk over the loopback interface.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hndesc.errors import HndescError
from hndesc.runtime.logs import step
from hndesc.training.distributed import RENDEZVOUS
from hndesc.training.settings import TrainingSettings
from hndesc.training.train import train

logger = logging.getLogger(__name__)

# Seconds that the others have, once one has failed: the first may be saving the state.
_GRACE = 30.0
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


def train_together(
    processes: int, log: str | os.PathLike | None = None, threads: int | None = None, **arguments: Any
) -> None:
    """Train in several processes, one a GPU where training runs on GPUs; up to rounding, as one process would.

    Args:
        processes: their greatest number, fewer where the batch cannot be divided among so many; 1: training happens
            in this process.
        log: file to which they log, too.
        threads: for all together.
        **arguments: of `hndesc.training.train.train`.

    Raises:
        HndescError: what a process raised.
        RuntimeError: an unexpected error of a process, with its traceback.
    """
    default = TrainingSettings.model_fields["batch_size"].default
    processes = divide(processes, arguments.get("batch_size", default))
    if processes == 1:
        return train(**arguments)
    with tempfile.TemporaryDirectory(prefix="hndesc-training-") as folder:
        job = {"log": log, "threads": threads and max(1, threads // processes), "arguments": arguments}
        Path(folder, "job.json").write_text(json.dumps(job, default=str), encoding="utf-8")
        logger.info("training in %d processes", processes)
        workers = [_start(Path(folder), rank, processes) for rank in range(processes)]
        try:
            ends = _watch(workers)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        _tell(Path(folder), ends)


def divide(processes: int, batch_size: int) -> int:
    """Return the greatest number of processes, of those there are, among which a batch can be divided."""
    fit = max(number for number in range(1, processes + 1) if batch_size % number == 0)
    if fit < processes:
        logger.warning("batch_size %d cannot be divided among %d processes: training in %d", batch_size, processes, fit)
    return fit


def _start(folder: Path, rank: int, processes: int) -> subprocess.Popen:
    environment = {"GLOO_SOCKET_IFNAME": _LOOPBACK, "NCCL_SOCKET_IFNAME": _LOOPBACK} | os.environ
    environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    environment |= {RENDEZVOUS: (folder / "meeting").as_uri()}
    command = [sys.executable, "-m", "hndesc.training.launch", str(folder)]
    # Its input closes when this process ends, in whatever way: see _end_with_parent.
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)


def _watch(workers: Sequence[subprocess.Popen]) -> list[int | None]:
    """Wait until all have ended, or until some time after one has failed; return how each ended."""
    deadline: float | None = None
    while True:
        ends = [worker.poll() for worker in workers]
        if None not in ends:
            return ends
        if deadline is None and any(ends):
            deadline = time.monotonic() + _GRACE
        if deadline is not None and time.monotonic() > deadline:
            return ends
        time.sleep(0.1)


def _tell(folder: Path, ends: Sequence[int | None]) -> None:
    """Raise the error that is at the root: when one process is gone, the others fail, too."""
    errors = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("error-*.json"))]
    for error in errors:
        if error["expected"]:
            raise HndescError(error["text"])
    for rank, end in enumerate(ends):
        if end is not None and end < 0:
            raise HndescError(
                f"training process {rank} was ended by signal {-end}; if memory was short, lower batch_size or "
                "cache_megabytes; run it again to go on from the latest saved state"
            )
    if errors:
        raise RuntimeError(f"a training process failed:\n{min(errors, key=lambda error: error['time'])['text']}")
    if any(ends):
        raise RuntimeError(f"training processes ended with exit status {ends}")


def _work(folder: Path) -> None:
    """Take part in a training; an error is left in a file for the process that started this one."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job: Mapping[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    rank = int(os.environ["RANK"])
    with step(job["log"], job["threads"], append=True):
        if rank > 0:  # what all of them do is told by the first
            logging.getLogger().setLevel(logging.WARNING)
        try:
            train(**job["arguments"])
        except Exception as error:
            expected = isinstance(error, HndescError)
            text = str(error) if expected else traceback.format_exc()
            record = {"expected": expected, "text": text, "time": time.time()}
            (folder / f"error-{rank}.json").write_text(json.dumps(record), encoding="utf-8")
            sys.exit(1)


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    _work(Path(sys.argv[1]))
