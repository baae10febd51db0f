"""Features and matches as a folder of kapture 1.1 (https://github.com/naver/kapture, kapture_format.adoc).

kapture has the pixel convention of COLMAP. Its text files are rows of comma-separated fields, its binary files plain
little-endian arrays.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hndesc.datasets.image_list import link_photo
from hndesc.datasets.localization.pycolmap_border import camera_keypoints
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader
from hndesc.io.files import write_text
from hndesc.io.lists import check_below
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.localization.matches import MatchReader, check_made_from
from hndesc.reconstruction.cameras import PhotoCameras
from hndesc.reconstruction.export import cameras_of_features

STEP = "export_kapture"
_HEAD = "# kapture format: 1.1\n"


def export_kapture(
    features: str | os.PathLike,
    matches: str | os.PathLike,
    output: str | os.PathLike,
    images: str | os.PathLike | None = None,
    *,
    share_cameras: bool = True,
) -> dict[str, int]:
    """Write cameras, images, keypoints, descriptors and matches as a kapture folder.

    Args:
        features: feature file of this package or of hloc.
        matches: match file of this package or of hloc.
        output: folder to write: `sensors` and `reconstruction`; what an earlier export wrote is replaced.
        images: folder of the images, to which `sensors/records_data` gets links, and whose EXIF data has focal
            lengths; None for no links, and 1.2 times the longer side.
        share_cameras: see `hndesc.reconstruction.cameras.read_cameras`.

    Returns:
        Counts: `images`, `keypoints`, `matched_pairs`, `matches`.

    Raises:
        HndescError: a file is missing or broken, matches of other features, a name that kapture cannot have, or
            `output` exists and was not made by this step.
    """
    inputs = [features, matches, images]
    check_output_folder(output, STEP, inputs)
    with FeatureReader(features) as feature_reader, MatchReader(matches) as match_reader:
        check_made_from(match_reader, feature_reader)
        names = feature_reader.names()
        for name in names:
            check_below(name, f"{features}: the entry")
            if "," in name:
                raise HndescError(
                    f"{features}: '{name}' has a comma, which separates fields in kapture; rename the image"
                )
        cameras = cameras_of_features(feature_reader, names, images, share_cameras)
        with replace_folder(output, STEP, inputs) as part:
            _write_sensors(part / "sensors", cameras)
            if images is not None:
                for name in names:
                    place = Path("sensors", "records_data", name)
                    link_photo(Path(images) / name, part / place, Path(output) / place)
            counts = {"images": len(names)}
            counts["keypoints"] = _write_features(part / "reconstruction", feature_reader, cameras)
            folder = part / "reconstruction" / "matches" / _kind(feature_reader, "detector")
            return counts | _write_matches(folder, match_reader, names)


def _write_sensors(folder: Path, cameras: PhotoCameras) -> None:
    sensors = {}
    for name, (_, camera) in cameras.ids.items():
        found = cameras.intrinsics[name]
        values = [found.model, found.width, found.height, *found.params]
        sensors[camera] = (_camera(camera), "", "camera", *values)
    head = "sensor_device_id, name, sensor_type, [sensor_params]+"
    _write_rows(folder / "sensors.txt", head, sensors.values())
    records = [(number, _camera(camera), name) for number, (name, (_, camera)) in enumerate(cameras.ids.items())]
    _write_rows(folder / "records_camera.txt", "timestamp, device_id, image_path", records)


def _camera(number: int) -> str:
    return f"camera{number}"


def _write_rows(path: Path, head: str, rows: Iterable[Sequence[object]]) -> None:
    write_text(path, f"{_HEAD}# {head}\n" + "".join(f"{', '.join(map(str, row))}\n" for row in rows))


def _kind(features: FeatureReader, part: str) -> str:
    """Return the name of the detector or the descriptor as that of a folder; `part` where the file does not say."""
    made_by = features.settings.get(part)
    name = str((made_by.get("name") if isinstance(made_by, dict) else made_by) or part)
    return re.sub(r"[^\w.-]+", "_", Path(name).stem if "/" in name else name).strip(".") or part


def _write_features(folder: Path, features: FeatureReader, cameras: PhotoCameras) -> int:
    """Write keypoints, and descriptors where there are any; return the number of keypoints."""
    detector, descriptor = _kind(features, "detector"), _kind(features, "descriptor")
    keypoint_folder, descriptor_folder = folder / "keypoints" / detector, folder / "descriptors" / descriptor
    count, form = 0, None
    for name in tqdm(cameras.ids, desc="features", unit="image", disable=None):
        entry = features.read(name)
        points = camera_keypoints(entry, cameras.intrinsics[name], name)
        _write_binary(keypoint_folder / f"{name}.kpt", points, "float32")
        count += len(entry)
        if entry.descriptors is not None:
            kind = entry.descriptors.dtype.name, entry.descriptors.shape[1]
            if form not in (None, kind):
                raise HndescError(f"{features.path}: descriptors of '{name}' are {kind}, those before {form}")
            form = kind
            _write_binary(descriptor_folder / f"{name}.desc", entry.descriptors, kind[0])
    _write_rows(keypoint_folder / "keypoints.txt", "name, dtype, dsize", [(detector, "float32", 2)])
    if form is not None:
        head = "name, dtype, dsize, keypoints_type, metric_type"
        _write_rows(descriptor_folder / "descriptors.txt", head, [(descriptor, *form, detector, "L2")])
    return count


def _write_binary(path: Path, values: np.ndarray, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.ascontiguousarray(values, np.dtype(kind).newbyteorder("<")).tofile(path)


def _write_matches(folder: Path, matches: MatchReader, names: Sequence[str]) -> dict[str, int]:
    pairs = total = 0
    for first, second in tqdm(matches.pairs(names), desc="matches", unit="pair", disable=None):
        # By convention the first name is the lesser one.
        first, second = sorted((first, second))
        found = matches.read_scored(first, second)
        if found is not None:
            rows, scores = found
            values = np.column_stack([rows.astype(np.float64), scores.astype(np.float64)])
            _write_binary(folder / f"{first}.overlapping" / f"{second}.matches", values, "float64")
            pairs, total = pairs + 1, total + len(rows)
    return {"matched_pairs": pairs, "matches": total}
