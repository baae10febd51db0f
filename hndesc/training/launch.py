"""Data-parallel training with several processes on one machine.

No port is opened to the network: the processes rendezvous through a file and communicate over the loopback interface.
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

# Seconds that the other processes have after one has failed: the first may be saving the state.
_GRACE = 30.0
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


def train_distributed(
    processes: int, log: str | os.PathLike | None = None, threads: int | None = None, **arguments: Any
) -> None:
    """Train in several processes, one per GPU if there are GPUs; up to rounding, the result is that of one process.

    Args:
        processes: maximum number of processes; reduced until it divides the batch size. With 1, training runs in this
            process.
        log: file that the processes also log to.
        threads: total number of threads of all processes.
        **arguments: arguments of `hndesc.training.train.train`.

    Raises:
        HndescError: a process raised it.
        RuntimeError: a process failed unexpectedly; the message contains its traceback.
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
        _raise_failure(Path(folder), ends)


def divide(processes: int, batch_size: int) -> int:
    """Return the largest number up to `processes` that divides the batch size."""
    fit = max(number for number in range(1, processes + 1) if batch_size % number == 0)
    if fit < processes:
        logger.warning("batch_size %d is not divisible by %d processes: training in %d", batch_size, processes, fit)
    return fit


def _start(folder: Path, rank: int, processes: int) -> subprocess.Popen:
    environment = {"GLOO_SOCKET_IFNAME": _LOOPBACK, "NCCL_SOCKET_IFNAME": _LOOPBACK} | os.environ
    environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    environment |= {RENDEZVOUS: (folder / "rendezvous").as_uri()}
    command = [sys.executable, "-m", "hndesc.training.launch", str(folder)]
    # The pipe closes whenever this process ends, even if it is killed: see _end_with_parent.
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)


def _watch(workers: Sequence[subprocess.Popen]) -> list[int | None]:
    """Wait until all processes have ended, or `_GRACE` seconds after one has failed; return their exit statuses."""
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


def _raise_failure(folder: Path, ends: Sequence[int | None]) -> None:
    """Raise the original error; when one process ends, the others fail as a consequence."""
    errors = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("error-*.json"))]
    for error in errors:
        if error["expected"]:
            raise HndescError(error["text"])
    for rank, end in enumerate(ends):
        if end is not None and end < 0:
            raise HndescError(
                f"training process {rank} was ended by signal {-end}; if memory ran out, lower batch_size or "
                "cache_megabytes; run the training again to resume from the latest saved state"
            )
    if errors:
        raise RuntimeError(f"a training process failed:\n{min(errors, key=lambda error: error['time'])['text']}")
    if any(ends):
        raise RuntimeError(f"training processes ended with exit status {ends}")


def _work(folder: Path) -> None:
    """Run the training as one of several processes; write an error to a file for the parent process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job: Mapping[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    rank = int(os.environ["RANK"])
    with step(job["log"], job["threads"], append=True, yields=False):
        if rank > 0:  # the first process logs for all
            logging.getLogger("hndesc").setLevel(logging.WARNING)
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
