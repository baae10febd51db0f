"""What benchmarks share: reading features that must be there, naming pairs, a result as text and as JSON."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hndesc.errors import HndescError
from hndesc.features import FeatureReader, Features
from hndesc.files import write_json, write_text
from hndesc.provenance import versions


class DescribedImages(FeatureReader):
    """The features of a benchmark's images: each must be there with descriptors, or be listed as failed.

    Args:
        path: feature file.
        names: images that the benchmark needs.

    Attributes:
        lost: those of `names` that failed at extraction, with the reason.

    Raises:
        HndescError: names that the file does not know.
    """

    def __init__(self, path: str | os.PathLike, names: Sequence[str]) -> None:
        super().__init__(path)
        # Only what is needed is looked up: large files hold many images more.
        absent = {name: self.reason(name) for name in names if name not in self}
        missing = [name for name, reason in absent.items() if reason is None]
        if missing:
            raise HndescError(
                f"{self.path}: no features of {len(missing)} of {len(names)} images, '{missing[0]}' first; "
                "extract the features of this dataset"
            )
        self.lost = absent

    def read(self, name: str) -> Features:
        """Read the features of one image; an entry without descriptors is a HndescError."""
        features = super().read(name)
        if features.descriptors is None:
            raise HndescError(f"{self.path}: '{name}' has keypoints without descriptors; describe the keypoints first")
        return features


@contextmanager
def named_pair(first: str, second: str) -> Iterator[None]:
    """Add the names of a pair to what goes unexpectedly wrong with it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"with the pair {first}, {second}")
        raise


def write_result(output: str | os.PathLike, json_output: str | os.PathLike | None, text: str, record: Mapping) -> None:
    """Write the published text form and, beside it, all figures with where they came from.

    Args:
        output: text file.
        json_output: JSON file, or None for none.
        text: the published form.
        record: benchmark, kind, protocol, figures, settings, …; NaN and infinity become null.
    """
    if json_output is not None:
        write_json(json_output, _jsonable({**record, "versions": versions()}))
    write_text(output, text)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
