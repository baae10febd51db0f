"""The step that reconstructs a scene from photos with features and matches, and what its folder holds."""

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.localization.pycolmap_border import pycolmap, write_model
from hndesc.datasets.photo_sets import SUMMARY
from hndesc.errors import HndescError, counted
from hndesc.io.features import FeatureReader
from hndesc.io.files import check_whole, read_json, write_json
from hndesc.io.lists import distinct_pairs, read_pairs
from hndesc.io.locks import writing
from hndesc.io.owned_folders import check_output_folder, finish_folder, resume_folder
from hndesc.localization.database import write_matched_images
from hndesc.localization.matches import MatchReader, check_made_from
from hndesc.reconstruction.cameras import PhotoCameras, read_cameras
from hndesc.reconstruction.mapping import ReconstructionSettings, map_images, verify_pairs
from hndesc.runtime.provenance import file_identity

logger = logging.getLogger(__name__)

STEP = "reconstruct"
DATABASE, MODELS, POINTS, RECORD = "database.db", "sparse", "points.ply", "inputs.json"
_SCRATCH, _COUNTS = "mapping", "counts.json"


def build_reconstruction(
    photos: Sequence[ImageEntry],
    root: str | os.PathLike,
    features: str | os.PathLike,
    matches: str | os.PathLike,
    pairs: str | os.PathLike,
    output: str | os.PathLike,
    *,
    share_cameras: bool = True,
    threads: int = 1,
    **settings: Any,
) -> dict:
    """Reconstruct cameras and points from matched photos; an interrupted run resumes.

    Args:
        photos: the photos.
        root: folder of the photos, to which their names are relative.
        features: feature file.
        matches: match file of the listed pairs.
        pairs: list of pairs.
        output: folder to write: `database.db` (COLMAP), `sparse/0`, `sparse/1`, … (COLMAP models, binary, that with
            most images first, each with `points.ply`) and `reconstruction.json`.
        share_cameras: see `hndesc.reconstruction.cameras.read_cameras`.
        threads: of verification and bundle adjustment.
        **settings: of `ReconstructionSettings`.

    Returns:
        The content of `reconstruction.json`.

    Raises:
        HndescError: a file is missing or of other photos, or `output` exists and was not made by this step.
    """
    inputs = [root, features, matches, pairs]
    place = check_output_folder(output, STEP, inputs)
    chosen = ReconstructionSettings(**settings)
    made_from = [file_identity(Path(path)) for path in (features, matches, pairs)] + [
        photo.identity for photo in photos
    ]
    record = {"settings": asdict(chosen), "share_cameras": share_cameras, "inputs": made_from}
    with writing(place):
        part = resume_folder(output, STEP, inputs, record, RECORD)
        summary = fill_reconstruction(
            part, photos, root, features, matches, pairs, chosen, share_cameras=share_cameras, threads=threads
        )
        finish_folder(part, output, STEP, inputs)
    return summary


def fill_reconstruction(
    part: Path,
    photos: Sequence[ImageEntry],
    root: str | os.PathLike,
    features: str | os.PathLike,
    matches: str | os.PathLike,
    pairs: str | os.PathLike,
    settings: ReconstructionSettings,
    *,
    share_cameras: bool = True,
    threads: int = 1,
) -> dict:
    """Reconstruct into a folder that may hold the files of an interrupted run; arguments and result as above."""
    with FeatureReader(features) as feature_reader, MatchReader(matches) as match_reader:
        check_made_from(match_reader, feature_reader)
        failed = {photo.name: feature_reader.reason(photo.name) for photo in photos if photo.name not in feature_reader}
        readable = [photo for photo in photos if photo.name not in failed]
        if len(readable) < 2:
            raise HndescError(
                f"{features}: has features of {counted(len(readable), 'photo')} of {root}, and two are needed"
            )
        cameras = read_cameras(readable, share_cameras)
        known = (pair for pair in read_pairs(Path(pairs)) if cameras.ids.keys() >= set(pair))
        listed = distinct_pairs(known, pairs)
        counts = _write_database(part, cameras, listed, feature_reader, match_reader, root)
        made_from = {"features": feature_reader.settings, "matches": match_reader.settings}
    counts["verified_pairs"] = verify_pairs(part / DATABASE, cameras.numbered(listed), settings, threads)
    models = map_images(part / DATABASE, Path(root), part / _SCRATCH, list(cameras.ids), settings, threads)
    write_models(models, part / MODELS)
    shutil.rmtree(part / _SCRATCH, ignore_errors=True)
    summary = {
        "photos": os.path.abspath(root),
        **summarize(models, [photo.name for photo in photos]),
        "counts": counts,
        "guessed_focal_lengths": sorted(cameras.guessed),
        "failed": {name: reason or "no features" for name, reason in failed.items()},
        "settings": asdict(settings) | {"share_cameras": share_cameras},
        **made_from,
    }
    write_json(part / SUMMARY, summary)
    (part / _COUNTS).unlink()
    return summary


def _write_database(
    part: Path,
    cameras: PhotoCameras,
    pairs: Sequence[tuple[str, str]],
    features: FeatureReader,
    matches: MatchReader,
    root: str | os.PathLike,
) -> dict:
    """Write the database, unless an interrupted run has; return the counts."""
    if (part / _COUNTS).is_file():
        return read_json(part / _COUNTS)
    (part / DATABASE).unlink(missing_ok=True)
    paths = part / DATABASE, cameras.intrinsics, cameras.ids, pairs, features, matches
    counts = write_matched_images(*paths, place=root, guessed=cameras.guessed)
    write_json(part / _COUNTS, counts)
    return counts


def write_models(models: Sequence["pycolmap.Reconstruction"], folder: Path) -> None:
    """Write models as `0`, `1`, … below a folder, each in COLMAP's binary form and its points as PLY."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, model in enumerate(models):
        place = folder / str(number)
        place.mkdir()
        write_model(model, place)
        model.export_PLY(place / POINTS)
        check_whole(place / POINTS)


def summarize(models: Sequence["pycolmap.Reconstruction"], names: Sequence[str]) -> dict:
    """Return the figures of models, that with most images first.

    Returns:
        `images` (photos given), `registered` (in any model), `models` (for each: `images`, `points`,
        `mean_track_length`, `mean_reprojection_error` in pixels, `focal_lengths` in pixels), and `not_registered`
        (names).
    """
    registered = {image.name for model in models for image in model.images.values() if image.has_pose}
    return {
        "images": len(names),
        "registered": len(registered),
        "models": [
            {
                "images": model.num_reg_images(),
                "points": model.num_points3D(),
                "mean_track_length": model.compute_mean_track_length(),
                "mean_reprojection_error": model.compute_mean_reprojection_error(),
                "focal_lengths": sorted(camera.mean_focal_length() for camera in model.cameras.values()),
            }
            for model in models
        ],
        "not_registered": sorted(set(names) - registered),
    }
