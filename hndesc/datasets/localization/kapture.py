"""Reader of the text format of kapture (https://github.com/naver/kapture): sensors, rigs, trajectories and records.

A dataset is one kapture folder, of which every third posed image is held out as a query, or several folders, `mapping`
and `query` (or `query_day`, `query_night`, …), where poses of queries are the ground truth. Images are in
`sensors/records_data`.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hndesc.datasets.localization.aachen import make_scene
from hndesc.datasets.localization.cameras import read_camera
from hndesc.datasets.localization.posed import hold_out
from hndesc.datasets.localization.poses import quaternion_and_position
from hndesc.datasets.localization.scene import Intrinsics, Pose, Scene
from hndesc.errors import HndescError
from hndesc.io.lists import read_lines

logger = logging.getLogger(__name__)

_RECORDS = "sensors/records_camera.txt"


def is_kapture(root: Path) -> bool:
    """Return whether a folder is a kapture dataset of one or several folders."""
    root = Path(root)
    return (root / _RECORDS).is_file() or ((root / "mapping" / _RECORDS).is_file() and bool(_query_parts(root)))


def _query_parts(root: Path) -> list[str]:
    return sorted(path.parents[1].name for path in root.glob(f"query*/{_RECORDS}"))


def read_kapture(root: Path, pairs: Path | None = None) -> Scene:
    """Read a dataset in the format of kapture.

    Args:
        root: folder with `sensors`, or with `mapping/sensors` and `query*/sensors`.
        pairs: list of image pairs, by default that of the folder, if it has one.

    Raises:
        HndescError: a file is missing, a line is malformed, or there are too few posed images.
    """
    root = Path(root)
    problems: Counter[str] = Counter()
    if (root / _RECORDS).is_file():
        return hold_out(root, *_database(root, problems), pairs, problems=problems)
    database, poses = _database(root / "mapping", problems)
    queries, truth, conditions = _queries(root, set(database))
    unknown = sum(camera is None for camera in queries.values())
    problems.update({"queries of unknown camera model": unknown})
    return make_scene(root, database, poses, queries, conditions, truth, pairs, problems)


def _queries(root: Path, taken: set[str]) -> tuple[dict[str, Intrinsics | None], dict[str, Pose], dict[str, str]]:
    """Return camera, pose (if known) and condition of all queries."""
    queries: dict[str, Intrinsics | None] = {}
    truth: dict[str, Pose] = {}
    conditions: dict[str, str] = {}
    for part in _query_parts(root):
        cameras, poses = read_images(root / part)
        for name in sorted(cameras.keys() & (taken | queries.keys())):
            raise HndescError(f"{root}: '{name}' of {part} is in another folder, too; rename one")
        queries |= cameras
        truth |= poses
        conditions |= dict.fromkeys(cameras, part.removeprefix("query_"))
    return queries, truth, conditions


def _database(root: Path, problems: Counter[str]) -> tuple[dict[str, Intrinsics], dict[str, Pose]]:
    """Return the images with a camera and a pose; count the others."""
    cameras, poses = read_images(root)
    known = {name: camera for name, camera in cameras.items() if camera is not None}
    problems["database images of unknown camera model"] += len(cameras) - len(known)
    posed = {name: camera for name, camera in known.items() if name in poses}
    problems["database images without pose"] += len(known) - len(posed)
    if len(posed) < len(cameras):
        logger.warning("%s: %d of %d images have camera and pose; the rest is skipped", root, len(posed), len(cameras))
    if not posed:
        raise HndescError(f"{root}: no image with a camera and a pose")
    return posed, {name: poses[name] for name in posed}


def read_images(root: Path) -> tuple[dict[str, Intrinsics | None], dict[str, Pose]]:
    """Read one kapture folder: camera of each image, sorted by name (None: unknown model), and known poses.

    kapture uses the camera models and the pixel convention of COLMAP.
    """
    sensors = _read_sensors(root / "sensors" / "sensors.txt")
    trajectories = _read_poses(root / "sensors" / "trajectories.txt", keys=2)
    carriers: dict[str, list[tuple[str, Pose]]] = {}
    for (rig, sensor), pose_in_rig in _read_poses(root / "sensors" / "rigs.txt", keys=2).items():
        carriers.setdefault(sensor, []).append((rig, pose_in_rig))
    cameras: dict[str, Intrinsics | None] = {}
    poses: dict[str, Pose] = {}
    for place, (time, device, name) in sorted(_rows(root / _RECORDS, 3), key=lambda row: row[1][2]):
        if device not in sensors:
            raise HndescError(f"{place}: '{name}' was taken by sensor '{device}', which is not a camera in sensors.txt")
        if name in cameras:
            raise HndescError(f"{place}: '{name}' is listed twice")
        cameras[name] = sensors[device]
        pose = _device_pose(time, device, trajectories, carriers)
        if pose is not None:
            poses[name] = pose
    return cameras, poses


def _read_sensors(path: Path) -> dict[str, Intrinsics | None]:
    sensors: dict[str, Intrinsics | None] = {}
    for place, (device, _, kind, *fields) in _rows(path, 3, or_more=True):
        if kind != "camera":
            continue
        if len(fields) < 3:
            raise HndescError(f"{place}: expected model, width, height and parameters of the camera")
        if device in sensors:
            raise HndescError(f"{place}: sensor '{device}' is listed twice")
        sensors[device] = read_camera(fields[0], fields[1:], place)
    return sensors


def _read_poses(path: Path, keys: int) -> dict[tuple[str, ...], Pose]:
    """Read rows of keys, quaternion (w, x, y, z) and translation; incomplete poses are skipped."""
    poses: dict[tuple[str, ...], Pose] = {}
    for place, fields in _rows(path, keys + 7) if path.is_file() else ():
        if all(fields[keys:]):
            if tuple(fields[:keys]) in poses:
                raise HndescError(f"{place}: a second pose of {', '.join(fields[:keys])}")
            poses[tuple(fields[:keys])] = Pose.from_quaternion(*quaternion_and_position(fields[keys:], place))
    return poses


def _device_pose(
    time: str,
    device: str,
    trajectories: Mapping[tuple[str, ...], Pose],
    carriers: Mapping[str, Sequence[tuple[str, Pose]]],
) -> Pose | None:
    """Return the pose of a device at a time: its own, or that of its rig combined with its pose in the rig.

    Rigs can be nested; each is visited once, even in cyclic definitions.
    """
    if (time, device) in trajectories:
        return trajectories[time, device]
    visited, found = {device}, list(carriers.get(device, ()))
    for rig, in_rig in found:  # extended in the loop
        if rig in visited:
            continue
        visited.add(rig)
        if (time, rig) in trajectories:
            return _chained(in_rig, trajectories[time, rig])
        found += [(other, _chained(in_rig, place)) for other, place in carriers.get(rig, ()) if other not in visited]
    return None


def _chained(last: Pose, first: Pose) -> Pose:
    """Return the composition of two poses, `first` followed by `last`."""
    return Pose(np.asarray(last.rotation @ first.rotation), last.rotation @ first.translation + last.translation)


def _rows(path: Path, count: int, or_more: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Yield ("file:line", fields) of a file of comma-separated rows, in which names may contain spaces."""
    for place, line in read_lines(path):
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != count and not (or_more and len(fields) > count):
            raise HndescError(f"{place}: expected {count} fields, found {len(fields)}")
        yield place, fields
