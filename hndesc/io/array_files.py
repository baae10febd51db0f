"""Reading numpy's .npz files of numbers, from untrusted sources: nothing is unpickled, and sizes are bounded."""

import os
import zipfile
from collections.abc import Iterable

import numpy as np

from hndesc.errors import HndescError, reason

# Bytes that the arrays of a file may take.
_MOST = 2**27


def read_arrays(path: str | os.PathLike, names: Iterable[str], what: str, cure: str) -> dict[str, np.ndarray]:
    """Read arrays of real numbers by their names.

    Args:
        path: of the file.
        names: of the arrays.
        what: the file is, for messages.
        cure: where it is not.

    Raises:
        HndescError: no such file, a broken one, or one without arrays of numbers of these names.
    """
    if not os.path.isfile(path):
        raise HndescError(f"{path}: {'not a regular file' if os.path.lexists(path) else 'no such file'}; {cure}")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MOST:
                raise ValueError(f"more than {_MOST} bytes")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in names}
    except Exception as error:  # zlib, zipfile and numpy raise whatever comes
        raise HndescError(f"{path}: not {what} ({reason(error)}); {cure}") from None
    for name, values in arrays.items():
        if values.dtype.kind not in "iufb":
            raise HndescError(f"{path}: '{name}' holds {values.dtype} and not numbers; {cure}")
    return arrays
