"""Text files of poses, `name qw qx qy qz tx ty tz` (world to camera)."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hndesc.datasets.localization.scene import Pose
from hndesc.errors import HndescError
from hndesc.io.lists import numbers, read_lines, split_name

logger = logging.getLogger(__name__)

_SHORTEST = 1e-3
_FARTHEST = 1e9


def read_poses(path: Path) -> dict[str, Pose]:
    """Read a text file of poses; a malformed line or a repeated name raises a HndescError that names it."""
    poses: dict[str, Pose] = {}
    for place, line in read_lines(path):
        name, fields = split_name(line, 7, place, "name qw qx qy qz tx ty tz")
        if name in poses:
            raise HndescError(f"{place}: '{name}' is listed twice")
        poses[name] = Pose.from_quaternion(*quaternion_and_position(fields, place))
    return poses


def quaternion_and_position(fields: Sequence[str], place: str) -> tuple[list[float], list[float]]:
    """Return the quaternion and the position of a pose; a HndescError names `place` if they are invalid.

    The norm of the quaternion may differ from 1 because of rounding, but not by orders of magnitude.
    """
    values = numbers(fields, place)
    length = np.linalg.norm(values[:4])
    if not _SHORTEST <= length <= 1 / _SHORTEST:
        raise HndescError(f"{place}: a quaternion of length {length:.3g} is not a rotation")
    return values[:4], check_position(values[4:], place)


def check_position(values: list[float], place: str) -> list[float]:
    """Return a position or translation; raise a HndescError if it is too far for exact distances."""
    if max(map(abs, values)) > _FARTHEST:
        raise HndescError(f"{place}: a position of {max(values, key=abs):.3g} units")
    return values


def format_poses(poses: Mapping[str, Pose]) -> str:
    """Return poses in the format of visuallocalization.net: names without folders, numbers with all digits."""
    lines = []
    for name, pose in poses.items():
        values = [*pose.quaternion(), *pose.translation]
        after_name = "\t" if " " in _file_name(name) else " "
        lines.append(_file_name(name) + after_name + " ".join(repr(float(value)) for value in values))
    count = Counter(map(_file_name, poses))
    for name in (name for name in count if count[name] > 1):
        logger.warning(
            "%d queries have the file name '%s', by which a file of poses cannot distinguish them", count[name], name
        )
    return "\n".join(lines) + "\n"


def _file_name(name: str) -> str:
    return name.rpartition("/")[2]
