"""Where networks run."""

import torch

from hndesc.errors import HndescError
from hndesc.runtime.memory import keep_freed_memory


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device called `name`; "auto" is a GPU where there is one, else the CPU.

    On the CPU, this process keeps freed memory from now on (`hndesc.runtime.memory`).

    Raises:
        HndescError: a device that torch does not know or cannot use here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:  # NotImplementedError is a RuntimeError
        reason = str(error).splitlines()[0].partition(". ")[0]  # torch lists all backends after it
        raise HndescError(f"device '{name}' cannot be used ({reason}); set 'auto' or 'cpu'") from None
    if device.type == "cpu":
        keep_freed_memory()
    return device


def count_gpus() -> int:
    """Return the number of GPUs."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
