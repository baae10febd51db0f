"""Readers of datasets in the layout of Aachen Day-Night v1.1 (https://www.visuallocalization.net).

Files: `3D-models/aachen_v_1_1/aachen_v_1_1.nvm` (poses of the database), `database_intrinsics_v1_1.txt` in the same
folder, `queries/*_time_queries_with_intrinsics.txt`, and optionally `image_pairs_to_match_v1_1.txt`,
`database_v1_1.db` (ids of images and cameras) and `queries/ground_truth.txt` (poses of queries).
"""

import logging
import re
from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from hndesc.datasets.localization.cameras import CAMERA_MODELS, Intrinsics, UnknownModelError, read_camera
from hndesc.datasets.localization.image_ids import read_ids
from hndesc.datasets.localization.poses import quaternion_and_position, read_poses
from hndesc.datasets.localization.scene import Pose, Scene
from hndesc.errors import HndescError, counted
from hndesc.io.lists import read_lines, read_pairs, split, split_name, whole

logger = logging.getLogger(__name__)

PAIRS = "image_pairs_to_match_v1_1.txt"
_LIST_END = "_time_queries_with_intrinsics.txt"
_TRUTH = "ground_truth.txt"
_INTRINSICS = "name MODEL width height parameters…"
_CAMERA = re.compile(rf"(.*[^ \t])[ \t]+({'|'.join(CAMERA_MODELS)})[ \t]+(.*)")
_NVM_CAMERA = "name f qw qx qy qz cx cy cz distortion 0"


def read_aachen(root: Path, pairs: Path | None = None) -> Scene:
    """Read a dataset in the layout of Aachen v1.1.

    Args:
        root: folder of the dataset.
        pairs: list of image pairs that replaces that of the dataset.

    Raises:
        HndescError: a file is missing or malformed (with its line), or no database image has both camera and pose.
    """
    root = Path(root)
    problems: Counter[str] = Counter()
    nvm, intrinsics = _find(root, "aachen_v_1_1.nvm"), _find(root, "database_intrinsics_v1_1.txt")
    database, poses = _posed_cameras(intrinsics, nvm, problems)
    queries, conditions = read_queries(root, problems)
    for name in sorted(database.keys() & queries.keys()):
        raise HndescError(f"{root}: '{name}' is both a database image and a query; remove it from one list")
    own = root / "database_v1_1.db"
    ids = read_ids(own) if own.is_file() else {}
    return make_scene(root, database, poses, queries, conditions, read_truth(root, queries), pairs, problems, ids)


def _find(root: Path, name: str) -> Path:
    places = [root / "3D-models" / "aachen_v_1_1" / name, root / "3D-models" / name]
    for place in places:
        if place.is_file():
            return place
    raise HndescError(f"{places[0]}: no such file (nor {places[1]}); {root} must have the layout of Aachen v1.1")


def _posed_cameras(
    intrinsics: Path, nvm: Path, problems: Counter[str]
) -> tuple[dict[str, Intrinsics], dict[str, Pose]]:
    """Return camera and pose of the images with both; count the others."""
    cameras, poses = read_intrinsics(intrinsics), read_nvm(nvm)
    unknown_model = [name for name, camera in cameras.items() if camera is None]
    without_pose = sorted(cameras.keys() - poses.keys())
    without_camera = sorted(poses.keys() - cameras.keys())
    posed = {name: camera for name, camera in cameras.items() if camera is not None and name in poses}
    check_models(cameras, intrinsics)
    if not posed:
        example = f" ('{next(iter(poses), '')}' there, '{next(iter(cameras), '')}' here)"
        raise HndescError(
            f"{nvm}: contains no image with a camera in {intrinsics}{example}; use files of the same dataset"
        )
    _count(problems, "database images of unknown camera model", unknown_model, intrinsics)
    _count(problems, "database images without pose", without_pose, nvm)
    _count(problems, "poses without camera", without_camera, intrinsics)
    return posed, {name: poses[name] for name in posed}


def read_queries(root: Path, problems: Counter[str]) -> tuple[dict[str, Intrinsics | None], dict[str, str]]:
    """Read all lists of queries in `queries`: cameras (None for unknown models) and conditions."""
    lists = query_lists(root)
    queries: dict[str, Intrinsics | None] = {}
    conditions: dict[str, str] = {}
    for path in lists:
        cameras = read_intrinsics(path)
        for name in cameras:
            if name in queries:
                raise HndescError(f"{path}: query '{name}' is in another list, too; remove it from one")
        _count(problems, "queries of unknown camera model", [n for n, c in cameras.items() if c is None], path)
        queries |= cameras
        conditions |= dict.fromkeys(cameras, path.name.removesuffix(_LIST_END))
    warn_about_unread_files(root, {*lists, root / "queries" / _TRUTH}, f"lists of queries are named *{_LIST_END}")
    if not queries:
        raise HndescError(f"{root / 'queries'}: no query in any file *{_LIST_END} there")
    check_models(queries, root / "queries")
    return queries, conditions


def check_models(cameras: Mapping[Any, Intrinsics | None], place: Path) -> None:
    """Raise an UnknownModelError if no image has a camera that COLMAP knows."""
    if cameras and not any(cameras.values()):
        known = ", ".join(CAMERA_MODELS)
        raise UnknownModelError(f"{place}: every image has an unknown camera model; known ones: {known}")


def query_lists(root: Path) -> list[Path]:
    """Return the lists of queries of a dataset."""
    return sorted((root / "queries").glob(f"*{_LIST_END}"))


def warn_about_unread_files(root: Path, read: Container[Path], meant: str) -> None:
    """Warn about files in the folder of queries that are not read: lists with misspelled names, a user's photos.

    Args:
        root: folder of the dataset.
        read: files that are read.
        meant: what is read instead.
    """
    folder = root / "queries"
    unread = sorted(path.name for path in folder.glob("[!.]*") if path.is_file() and path not in read)
    if unread:
        logger.warning(
            "%s: not read: %s; %s ('hndesc localize' finds the poses of single photos)", folder, _first(unread), meant
        )


def read_truth(root: Path, queries: Collection[str]) -> dict[str, Pose]:
    """Read the ground truth poses of queries; empty if the dataset has none, a HndescError if none is of a query."""
    path = root / "queries" / _TRUTH
    if not path.is_file():
        return {}
    truth = read_poses(path)
    if not truth.keys() & set(queries):
        example = f"'{next(iter(truth), '')}' there, '{next(iter(queries), '')}' in the lists"
        raise HndescError(f"{path}: contains none of the queries ({example}); correct the names, or move the file away")
    if strangers := sorted(truth.keys() - set(queries)):
        logger.warning("%s: %s of no query: %s", path, counted(len(strangers), "pose"), _first(strangers))
    if missing := sorted(set(queries) - truth.keys()):
        logger.warning(
            "%s: %s without a true pose, not scored: %s", path, counted(len(missing), "query"), _first(missing)
        )
    return truth


def _count(problems: Counter[str], kind: str, names: list[str], place: Path) -> None:
    if names:
        problems[kind] += len(names)
        logger.warning("%s: %d %s, skipped: %s", place, len(names), kind, _first(names))


def _first(names: list[str]) -> str:
    return ", ".join(names[:5]) + " …" * (len(names) > 5)


def read_intrinsics(path: Path) -> dict[str, Intrinsics | None]:
    """Read a list of images with cameras, `name MODEL width height parameters…`.

    Returns:
        Name -> camera, None if COLMAP does not know the model.

    Raises:
        HndescError: a line is malformed, or a name is listed twice.
    """
    cameras: dict[str, Intrinsics | None] = {}
    for place, line in read_lines(path):
        name, model, fields = _split_camera(line, place)
        if name in cameras:
            raise HndescError(f"{place}: '{name}' is listed twice")
        cameras[name] = read_camera(model, fields, place)
    return cameras


def _split_camera(line: str, place: str) -> tuple[str, str, list[str]]:
    """Return name, model and the remaining fields; the name may contain spaces if the model is known."""
    found = _CAMERA.fullmatch(line) or re.fullmatch(r"([^ \t]+)[ \t]+([^ \t]+)[ \t]+(.*)", line)
    fields = split(found[3]) if found else []
    if found is None or len(fields) < 2:
        raise HndescError(f"{place}: expected '{_INTRINSICS}', found {len(split(line))} fields")
    return found[1], found[2], fields


def read_nvm(path: Path) -> dict[str, Pose]:
    """Read the cameras of an NVM file, `name f qw qx qy qz cx cy cz distortion 0`.

    Raises:
        HndescError: the file is not an NVM file, or a line is malformed or missing.
    """
    return _nvm_cameras(read_lines(path), path)


def read_tracks(root: Path) -> Iterator[list[str]]:
    """Yield, for each point of the NVM file of a dataset, the names of the images that observe it."""
    path = _find(Path(root), "aachen_v_1_1.nvm")
    lines = read_lines(path)
    names = list(_nvm_cameras(lines, path))
    place, count = next(lines, (str(path), "0"))
    for _ in range(whole(count, place)):
        # x y z r g b, the number of observations, and for each: image, keypoint, x, y.
        place, line = next(lines, (str(path), ""))
        fields = split(line)
        images = fields[7::4]
        if len(fields) < 7 or fields[6] != str(len(images)) or len(fields) != 7 + 4 * len(images):
            raise HndescError(f"{place}: expected a point with its observations; the file is truncated or malformed")
        try:
            yield [names[whole(image, place)] for image in images]
        except IndexError:
            raise HndescError(f"{place}: a point is observed by an image that is not in the file") from None


def _nvm_cameras(lines: Iterator[tuple[str, str]], path: Path) -> dict[str, Pose]:
    place, header = next(lines, (f"{path}:1", ""))
    if not header.startswith("NVM_V3"):
        raise HndescError(f"{place}: an NVM file starts with NVM_V3")
    place, line = next(lines, (f"{path}:2", ""))
    count = whole(line, f"{place}: number of cameras")
    poses: dict[str, Pose] = {}
    for number in range(1, count + 1):
        place, line = next(lines, (str(path), ""))
        name, fields = split_name(line, 10, f"{place}: camera {number} of {count}", _NVM_CAMERA)
        if name in poses:
            raise HndescError(f"{place}: '{name}' is listed twice")
        poses[name] = Pose.from_center(*quaternion_and_position(fields[1:8], place))
    return poses


def make_scene(
    root: Path,
    database: Mapping[str, Intrinsics],
    poses: Mapping[str, Pose],
    queries: Mapping[str, Intrinsics | None],
    conditions: Mapping[str, str],
    truth: Mapping[str, Pose],
    pairs: Path | None,
    problems: Counter[str],
    ids: Mapping[str, tuple[int, int]] | None = None,
) -> Scene:
    """Make a scene with the pairs of its images in the list `pairs`, else in its own; none if it has no list."""
    path = pairs or find_pairs(root)
    listed = known_pairs(path, database.keys() | queries.keys(), problems) if path else []
    return Scene(root, database, poses, queries, conditions, listed, ids or {}, truth, dict(+problems))


def find_pairs(root: Path) -> Path | None:
    """Return the list of pairs of the dataset, or None."""
    return next((Path(root) / name for name in (PAIRS, "pairs.txt") if (Path(root) / name).is_file()), None)


def known_pairs(path: Path, known: AbstractSet[str], problems: Counter[str]) -> list[tuple[str, str]]:
    """Return the listed pairs of two different known images, each unordered pair once; count the rest."""
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    unknown: dict[str, None] = {}
    dropped = repeated = 0
    for first, second in read_pairs(path):
        unlisted = {first, second} - known
        unknown |= dict.fromkeys(sorted(unlisted))
        key = frozenset((first, second))
        dropped += bool(unlisted) or first == second
        repeated += key in pairs
        if not unlisted and first != second:
            pairs.setdefault(key, (first, second))
    _count(problems, "images in pairs that no other file names", list(unknown), path)
    problems.update({"pairs left out": dropped, "repeated pairs": repeated})
    if not pairs:
        raise HndescError(f"{path}: it contains no pair of known images; use the list of this dataset")
    return list(pairs.values())
