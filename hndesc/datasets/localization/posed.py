"""Reader of a folder of posed images: `images/` and `cameras.tsv`. Every third image is held out as a query.

`cameras.tsv` has a header and, for each image, tab-separated: name, width, height, fx, fy, cx, cy (pinhole, the center
of the top-left pixel at (0, 0)), r00 … r22 (rotation, world to camera, by rows), tx, ty, tz.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from hndesc.datasets.localization.aachen import make_scene, warn_about_unread_files
from hndesc.datasets.localization.cameras import read_camera
from hndesc.datasets.localization.poses import check_position
from hndesc.datasets.localization.scene import Intrinsics, Pose, Scene
from hndesc.errors import HndescError
from hndesc.io.lists import numbers, read_lines, split, split_name

CAMERAS = "cameras.tsv"
COLUMNS = ["name", "width", "height", "fx", "fy", "cx", "cy"]
COLUMNS += ["r00", "r01", "r02", "r10", "r11", "r12", "r20", "r21", "r22", "tx", "ty", "tz"]
CONDITION = "held-out"
EVERY = 3


def read_posed(root: Path, pairs: Path | None = None, every: int = EVERY) -> Scene:
    """Read a folder of posed images, some of which become queries; see `hold_out`.

    Args:
        root: folder with `cameras.tsv`.
        pairs: list of image pairs, by default that of the folder, if it has one.
        every: every `every`-th image is held out.

    Raises:
        HndescError: a file is malformed, or there are too few images.
    """
    return hold_out(Path(root), *read_cameras(Path(root) / CAMERAS), pairs, every)


def hold_out(
    root: Path,
    cameras: Mapping[str, Intrinsics],
    poses: Mapping[str, Pose],
    pairs: Path | None = None,
    every: int = EVERY,
    problems: Mapping[str, int] | None = None,
) -> Scene:
    """Return a scene of images with known poses, in which every `every`-th image is a query."""
    warn_about_unread_files(root, (), f"the queries are one in {every} of the posed images")
    names = list(cameras)
    held_out = names[every - 1 :: every]
    database = [name for name in names if name not in set(held_out)]
    if not held_out or len(database) < 2:
        raise HndescError(f"{root}: {len(names)} posed images are too few to hold out every {every}th and map the rest")
    return make_scene(
        root,
        database={name: cameras[name] for name in database},
        poses={name: poses[name] for name in database},
        queries={name: cameras[name] for name in held_out},
        conditions=dict.fromkeys(held_out, CONDITION),
        truth={name: poses[name] for name in held_out},
        pairs=pairs,
        problems=Counter(problems or {}),
    )


def read_cameras(path: Path) -> tuple[dict[str, Intrinsics], dict[str, Pose]]:
    """Read `cameras.tsv`: intrinsics in COLMAP's convention, and poses."""
    lines = read_lines(path)
    place, header = next(lines, (f"{path}:1", ""))
    if split(header) != COLUMNS:
        raise HndescError(f"{place}: expected the columns {' '.join(COLUMNS)}")
    cameras: dict[str, Intrinsics] = {}
    poses: dict[str, Pose] = {}
    for place, line in lines:
        name, fields = split_name(line, len(COLUMNS) - 1, place, " ".join(COLUMNS))
        if name in cameras:
            raise HndescError(f"{place}: '{name}' is listed twice")
        fx, fy, cx, cy, *pose = numbers(fields[2:], place)
        # COLMAP has the center of the top-left pixel at (0.5, 0.5).
        params = (repr(value) for value in (fx, fy, cx + 0.5, cy + 0.5))
        cameras[name] = cast(Intrinsics, read_camera("PINHOLE", [*fields[:2], *params], place))  # a known model
        poses[name] = Pose(_rotation(pose[:9], place), np.array(check_position(pose[9:], place)))
    return cameras, poses


def _rotation(values: list[float], place: str) -> np.ndarray:
    """Return the nearest rotation matrix to nine numbers, which must be one up to rounding."""
    matrix = np.array(values).reshape(3, 3)
    left, _, right = np.linalg.svd(matrix)
    nearest = left @ right
    if np.abs(nearest - matrix).max() > 1e-3 or np.linalg.det(nearest) < 0:
        raise HndescError(f"{place}: r00 … r22 are not a rotation matrix")
    return nearest
