"""Reading files of weights that may be broken or hostile: none of their code runs, and their size bounds the memory."""

import json
import pickletools
import stat
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from hndesc.errors import HndescError, reason

# What the pickle in a file of torch may name; torch itself allows some more that can take any memory.
_NAMES = frozenset(
    {
        "collections OrderedDict",
        "torch Size",
        "torch._utils _rebuild_tensor",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
    }
)
# Compressed arrays may be this much larger than their file.
_EXPANSION = 50
# Objects that one object of a pickle may hold, each counted as often as it is reached.
_MOST = 10_000_000
_PICKLES = 5  # those of torch's old format
_PROBE = (64, 64)
_ZIP = b"PK\x03\x04"


def regular_file(path: Path, what: str, cure: str) -> None:
    """Check that a path names a readable file.

    Args:
        path: of the file.
        what: it should be.
        cure: for a missing one.

    Raises:
        HndescError: no such file, a folder, or a pipe or device.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
            return
    except FileNotFoundError:
        raise HndescError(f"{path}: no such {what}; {cure}") from None
    except PermissionError:
        raise HndescError(
            f"{path}: no permission to read this {what}; change its mode, or that of its folder"
        ) from None
    except (OSError, ValueError) as error:
        raise HndescError(f"{path}: this {what} cannot be opened ({reason(error)})") from None
    kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
    raise HndescError(f"{path}: {kind} instead of a {what}; {cure}")


def embedded_card(path: Path, key: str, cure: str) -> dict[str, Any] | None:
    """Return the JSON mapping below a key of a safetensors file's metadata; None if it has none.

    Raises:
        HndescError: not a complete safetensors file; the message ends with the cure.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise HndescError(f"{path}: not a complete safetensors file ({error}); {cure}") from None
    try:
        card = json.loads(metadata[key])
    except (KeyError, ValueError, RecursionError):
        return None
    return card if isinstance(card, dict) else None


def read_tensors(path: str | Path, cure: str = "download it again") -> Mapping[str, Any]:
    """Read the content of a .npz, .safetensors or torch file; an empty dictionary if it holds anything else.

    Raises:
        HndescError: no such file, or one that is broken or holds other things than tensors and plain values; the
            message ends with the cure.
    """
    path = Path(path)
    regular_file(path, "weights file", cure)
    try:
        if path.suffix == ".npz":
            return _read_arrays(path)
        if path.suffix == ".safetensors":
            return load_file(path)
        state = read_torch(path)
    except Exception as error:  # torch's unpickler raises whatever comes when the bytes are not a pickle
        raise HndescError(f"{path}: not a readable file of weights ({reason(error)}); {cure}") from None
    return state if isinstance(state, dict) else {}


def read_torch(path: Path) -> Any:
    """Read a file of torch: its checksums are compared where it has some, and no code of it runs.

    Raises:
        Exception: of any type, where the file is broken or holds more than tensors and plain containers.
    """
    with open(path, "rb") as stream:
        zipped = stream.read(4) == _ZIP
    if zipped:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(path, archive, 1)
            if (broken := archive.testzip()) is not None:
                raise ValueError(f"the checksum of '{broken}' differs")
            for name in archive.namelist():
                if name.endswith("data.pkl"):
                    with archive.open(name) as stream:
                        _check_pickle(stream)
    else:
        with open(path, "rb") as stream:
            for _ in range(_PICKLES):
                _check_pickle(stream)
    return torch.load(path, map_location="cpu", weights_only=True)


def check_tensors(
    source: str, found: Mapping[str, Any], expected: Mapping[str, Tensor], name: str, cure: str
) -> dict[str, Tensor]:
    """Return the expected tensors of those found, in their types.

    Args:
        source: file or other place that they are from, for messages.
        found: tensors by name; further ones are left out.
        expected: tensors of the same names and shapes.
        name: of the network.
        cure: of the messages.

    Raises:
        HndescError: tensors are missing, of another shape or type, or not finite.
    """
    wrong = sorted(key for key, value in expected.items() if getattr(found.get(key), "shape", None) != value.shape)
    if wrong:
        raise HndescError(
            f"{source}: not the weights of {name}: {len(wrong)} of {len(expected)} tensors are missing or of "
            f"another shape, the first is '{wrong[0]}'; {cure}"
        )
    tensors = {}
    for key, value in expected.items():
        tensor = found[key]
        if not _fits(tensor, value):
            raise HndescError(
                f"{source}: '{key}' is of type {getattr(tensor, 'dtype', '?')}, not {value.dtype}; {cure}"
            )
        tensors[key] = tensor.detach().to(value.dtype)
        if not tensors[key].isfinite().all():
            raise HndescError(f"{source}: weights that are not finite ('{key}', …); {cure}")
    return tensors


def probe(source: str, name: str, work: Callable[[np.ndarray], Sequence[Tensor]], cure: str) -> None:
    """Run a network on two small noise images.

    Args:
        source: of its weights, for messages.
        name: of the network.
        work: returns what the network makes of an RGB uint8 image.
        cure: of the messages.

    Raises:
        HndescError: outputs are not finite, or the same for both images.
    """
    noise = np.random.default_rng(0).integers(0, 256, (2, *_PROBE, 3), np.uint8)
    with torch.inference_mode():
        for first, second in zip(work(noise[0]), work(noise[1]), strict=True):
            if not (first.isfinite().all() and second.isfinite().all()):
                raise HndescError(f"{source}: with these weights '{name}' gives values that are not finite; {cure}")
            if torch.equal(first, second):
                raise HndescError(f"{source}: with these weights '{name}' gives the same for all images; {cure}")


def _fits(tensor: Any, wanted: Tensor) -> bool:
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.device.type != "cpu":
        return False
    if tensor.is_quantized or tensor.is_complex() or tensor.dtype == torch.bool:
        return False
    return tensor.is_floating_point() == wanted.is_floating_point()


def _read_arrays(path: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        _check_sizes(path, archive, _EXPANSION)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _check_sizes(path: Path, archive: zipfile.ZipFile, expansion: int) -> None:
    declared = sum(info.file_size for info in archive.infolist())
    if declared > expansion * path.stat().st_size:
        raise ValueError(f"{declared} bytes are declared in a file of {path.stat().st_size}")


def _check_pickle(stream: IO[bytes]) -> None:
    """Raise a ValueError for a pickle that names anything but tensors, or whose size or keys are unbounded."""
    mark = object()
    stack: list[Any] = []  # of each object, how many it holds
    memo: dict[int, int] = {}
    argument: Any  # of an operation: text, a number or nothing
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name == "GLOBAL" and not _known(argument):
            raise ValueError(f"it asks for '{argument:.80}'")
        if name in ("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "DUP"):
            raise ValueError(f"it holds the operation {name}")
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(mark)
        else:
            taken = 0
            before = list(opcode.stack_before)
            if pickletools.markobject in before:
                while (top := stack.pop()) is not mark:
                    taken += top
                before = before[: before.index(pickletools.markobject)]
            for _ in before:
                taken += stack.pop()
            if taken > _MOST:
                raise ValueError("its objects hold each other again and again")
            stack.extend([taken + 1] * len(opcode.stack_after))


def _known(name: str) -> bool:
    module, _, attribute = name.partition(" ")
    kind = getattr(torch, attribute, None) if module == "torch" else None
    return name in _NAMES or isinstance(kind, torch.dtype) or (module == "torch" and attribute.endswith("Storage"))
