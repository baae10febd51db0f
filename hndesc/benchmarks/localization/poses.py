"""Text files of poses, `name qw qx qy qz tx ty tz` (world to camera), and reading of numbers from text."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from hndesc.benchmarks.localization.scene import Pose
from hndesc.errors import HndescError

logger = logging.getLogger(__name__)


def read_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield ("file:line", fields) of each line of a text file that is neither empty nor a comment (#)."""
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                fields = line.split()
                if fields and not fields[0].startswith("#"):
                    yield f"{path}:{number}", fields
    except FileNotFoundError:
        raise HndescError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise HndescError(f"{path}: not a text file ({error})") from None


def numbers(fields: list[str], place: str) -> list[float]:
    """Return `fields` as finite numbers; a HndescError names `place` otherwise."""
    try:
        values = [float(field) for field in fields]
    except ValueError as error:
        raise HndescError(f"{place}: {error}") from None
    if not np.isfinite(values).all():
        raise HndescError(f"{place}: a number is not finite")
    return values


def read_poses(path: Path) -> dict[str, Pose]:
    """Read a text file of poses; a malformed line is a HndescError that names it."""
    poses: dict[str, Pose] = {}
    for place, fields in read_lines(path):
        if len(fields) != 8:
            raise HndescError(f"{place}: expected 'name qw qx qy qz tx ty tz', found {len(fields)} fields")
        values = numbers(fields[1:], place)
        if not any(values[:4]):
            raise HndescError(f"{place}: the quaternion of '{fields[0]}' is zero")
        poses[fields[0]] = Pose.from_quaternion(values[:4], values[4:])
    return poses


def format_poses(poses: Mapping[str, Pose]) -> str:
    """Return poses as visuallocalization.net takes them: names without their folders, numbers with all digits."""
    lines = []
    for name, pose in poses.items():
        values = [*pose.quaternion(), *pose.translation]
        lines.append(" ".join([_file_name(name), *(repr(float(value)) for value in values)]))
    count = Counter(map(_file_name, poses))
    for name in (name for name in count if count[name] > 1):
        logger.warning("%d queries have the file name '%s': a file of poses cannot tell them apart", count[name], name)
    return "\n".join(lines) + "\n"


def _file_name(name: str) -> str:
    return name.rpartition("/")[2]
