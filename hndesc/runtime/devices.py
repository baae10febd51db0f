"""Where networks run, and in which precision they compute."""

import torch

from hndesc.errors import HndescError
from hndesc.runtime.memory import keep_freed_memory
from hndesc.runtime.spelling import suggest

COMPUTE_PRECISIONS = ("auto", "float32", "bfloat16")
_NATIVE_BFLOAT16 = (8, 0)  # compute capability from which CUDA GPUs do not emulate it


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


def choose_precision(name: str, device: torch.device) -> str:
    """Return the precision in which a network computes, "float32" or "bfloat16".

    Args:
        name: one of `COMPUTE_PRECISIONS`; "auto" is bfloat16 where it takes less time than float32.
        device: device of the network.

    Raises:
        HndescError: another name, or the device does not compute in bfloat16.
    """
    if name == "auto":
        return "bfloat16" if _bfloat16_is_faster(device) else "float32"
    if name not in COMPUTE_PRECISIONS:
        hint, known = suggest(str(name), COMPUTE_PRECISIONS), ", ".join(COMPUTE_PRECISIONS)
        raise HndescError(f"unknown compute_precision '{name}'{hint}; choose one of: {known}")
    if name == "bfloat16" and not _convolves_in_bfloat16(device):
        raise HndescError(f"device '{device}' does not compute in bfloat16; set compute_precision to auto or float32")
    return name


def _bfloat16_is_faster(device: torch.device) -> bool:
    """Return whether a device has units for products of bfloat16 matrices: recent CUDA GPUs, and CPUs with AMX.

    Instructions for vectors (AVX-512 BF16) do not suffice: conversions then take more time than they save.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _NATIVE_BFLOAT16
    if device.type != "cpu":
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # older versions of torch
        return False
    found = torch.cpu.get_capabilities()
    return all(found.get(unit, False) for unit in ("amx_tile", "amx_bf16"))


def _convolves_in_bfloat16(device: torch.device) -> bool:
    image = torch.ones(1, 1, 1, 1, device=device)
    try:
        with torch.autocast(device.type, torch.bfloat16):  # some devices ignore it with a warning
            return torch.nn.functional.conv2d(image, image).dtype == torch.bfloat16
    except RuntimeError:
        return False
