"""Incremental structure from motion by COLMAP: verification of matches, mapping, and the models that it gives.

Schönberger and Frahm, Structure-from-Motion Revisited, CVPR 2016.
"""

import logging
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from hndesc.datasets.localization.pycolmap_border import (
    check_database_space,
    count_verified,
    opened,
    pycolmap,
    silenced,
    write_model,
)
from hndesc.errors import counted
from hndesc.geometry.epipolar import chance_inliers

logger = logging.getLogger(__name__)

# Homographies need no such test: the fewest inliers of a pair are more than unrelated images have.
_EPIPOLAR = (pycolmap.TwoViewGeometryConfiguration.CALIBRATED, pycolmap.TwoViewGeometryConfiguration.UNCALIBRATED)
# Pairs that are verified between two writes, and images that are registered between two snapshots.
_BATCH, _SNAPSHOT = 64, 50


@dataclass(frozen=True)
class ReconstructionSettings:
    """Settings of verification and mapping.

    Attributes:
        min_num_inliers: fewest inliers of a pair that is used.
        max_error: largest error of an inlier of a pair, pixels.
        min_model_size: fewest images of a model.
        refine_principal_point: whether principal points are refined, too, which needs many photos of one camera.
        seed: of all that is random.
    """

    min_num_inliers: int = 15
    max_error: float = 4.0
    min_model_size: int = 3
    refine_principal_point: bool = False
    seed: int = 0

    def verification(self) -> "pycolmap.TwoViewGeometryOptions":
        """Return COLMAP's options of verification."""
        options = pycolmap.TwoViewGeometryOptions(min_num_inliers=self.min_num_inliers)
        options.ransac.max_error, options.ransac.random_seed = self.max_error, self.seed
        return options

    def mapping(self, images: int, threads: int) -> "pycolmap.IncrementalPipelineOptions":
        """Return COLMAP's options of mapping some images."""
        options = pycolmap.IncrementalPipelineOptions()
        options.min_model_size = min(self.min_model_size, images)
        options.min_num_matches = self.min_num_inliers
        # COLMAP's own search for further models tries each pair again and again, in models that it drops.
        options.multiple_models = False
        # Minutes of RANSAC for each image that shows another place.
        options.structure_less_registration_fallback = False
        options.ba_refine_principal_point = self.refine_principal_point
        options.num_threads, options.random_seed = threads, self.seed
        return options


def verify_pairs(
    database: Path, pairs: Sequence[tuple[int, int]], settings: ReconstructionSettings, threads: int = 1
) -> int:
    """Verify the matches of pairs of images (ids) by two-view geometry; an interrupted run resumes.

    A pair with no more inliers than unrelated images have by chance does not hold.

    Returns:
        The number of pairs in the database that hold.
    """
    with opened(database) as connection:
        waiting = [
            pair
            for pair in pairs
            if connection.exists_matches(*pair) and not connection.exists_two_view_geometry(*pair)
        ]
        cameras = {image.image_id: connection.read_camera(image.camera_id) for image in connection.read_all_images()}

        def read(pair: tuple[int, int]) -> tuple:
            first, second = ((cameras[image], connection.read_keypoints(image)[:, :2]) for image in pair)
            return *first, *second, connection.read_matches(*pair)

        progress = tqdm(total=len(waiting), desc="pairs verified", unit="pair", disable=None)
        with ThreadPoolExecutor(threads) as pool, progress:
            for start in range(0, len(waiting), _BATCH):
                batch = waiting[start : start + _BATCH]
                jobs = [read(pair) for pair in batch]
                found = list(pool.map(lambda job: _verify(job, settings), jobs))
                check_database_space(database, sum(geometry.inlier_matches.nbytes for geometry in found))
                with pycolmap.DatabaseTransaction(connection):
                    for pair, geometry in zip(batch, found, strict=True):
                        connection.write_two_view_geometry(*pair, geometry)
                progress.update(len(batch))
        return count_verified(connection)


def _verify(job: tuple, settings: ReconstructionSettings) -> "pycolmap.TwoViewGeometry":
    """Return the geometry of two cameras with keypoints and matches, none if unrelated images have as many inliers."""
    count = len(job[-1])
    options, chance = settings.verification(), chance_inliers(count)
    # With fewer inliers the pair is not used, and RANSAC need not look for them.
    options.ransac.min_inlier_ratio = min(1.0, max(options.ransac.min_inlier_ratio, chance / max(count, 1)))
    found = pycolmap.estimate_two_view_geometry(*job, options)
    if found.config in _EPIPOLAR and len(found.inlier_matches) <= chance:
        return pycolmap.TwoViewGeometry()
    return found


def map_images(
    database: Path, images: Path, folder: Path, names: Sequence[str], settings: ReconstructionSettings, threads: int = 1
) -> list["pycolmap.Reconstruction"]:
    """Map the images of a database with verified matches, model by model until no more images make one.

    An interrupted run resumes: it keeps the finished models, and goes back to the last snapshot of the one that it was
    at.

    Args:
        database: COLMAP database.
        images: folder of the images, from which points get their colors.
        folder: folder of finished models and snapshots.
        names: names of the images in the database.
        settings: of the mapper.
        threads: of bundle adjustment; with several, large models differ in their last digits from run to run.

    Returns:
        The models, that with most images first.
    """
    finished, snapshots = folder / "finished", folder / "snapshots"
    models = [pycolmap.Reconstruction(place) for place in sorted(finished.glob("[0-9]*"))]
    remaining = _remaining(names, models)
    with tqdm(total=len(names), desc="images registered", unit="image", disable=None) as progress:
        while len(remaining) >= min(settings.min_model_size, len(names)):
            progress.n = len(names) - len(remaining)
            place = snapshots / str(len(models))
            options = settings.mapping(len(names), threads)
            options.image_names = remaining
            model = _map_once(database, images, folder, options, place, progress)
            if model is None:
                break
            _write_finished(model, finished / str(len(models)))
            models.append(model)
            remaining = _remaining(names, models)
    return sorted_by_size(models)


def _remaining(names: Sequence[str], models: Iterable["pycolmap.Reconstruction"]) -> list[str]:
    mapped = {image.name for model in models for image in model.images.values() if image.has_pose}
    return [name for name in names if name not in mapped]


def _write_finished(model: "pycolmap.Reconstruction", place: Path) -> None:
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write_model(model, part)
    part.rename(place)


def sorted_by_size(models: Iterable["pycolmap.Reconstruction"]) -> list["pycolmap.Reconstruction"]:
    """Return models in descending order of their images and points."""
    return sorted(models, key=lambda model: (-model.num_reg_images(), -model.num_points3D()))


def _map_once(
    database: Path,
    images: Path,
    folder: Path,
    options: "pycolmap.IncrementalPipelineOptions",
    snapshots: Path,
    progress: tqdm,
) -> "pycolmap.Reconstruction | None":
    """Run COLMAP's incremental mapper for one model, from the last snapshot if there is one."""
    output = folder / "colmap"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    latest = _latest_snapshot(snapshots)
    if latest is not None:
        images_before = pycolmap.Reconstruction(latest).num_reg_images()
        logger.info("resuming an interrupted run with %s", counted(images_before, "image"))
        progress.n += images_before
    snapshots.mkdir(parents=True, exist_ok=True)
    options.snapshot_path, options.snapshot_frames_freq = snapshots, _SNAPSHOT

    def registered(count: int) -> None:
        progress.update(min(count, progress.total - progress.n))

    with silenced(errors=True):  # to COLMAP, that no more images make a model is an error
        found = pycolmap.incremental_mapping(
            database,
            images,
            output,
            options,
            input_path=latest or "",
            initial_image_pair_callback=lambda: registered(2),
            next_image_callback=lambda: registered(1),
        )
    fitting = [model for model in found.values() if model.num_reg_images() >= options.min_model_size]
    return sorted_by_size(fitting)[0] if fitting else None


def _latest_snapshot(folder: Path) -> Path | None:
    """Return the newest complete snapshot of an interrupted run."""
    complete = [path for path in folder.glob("*") if all((path / f"{name}.bin").is_file() for name in _FILES)]
    return max(complete, key=lambda path: path.stat().st_mtime_ns, default=None)


_FILES = ("cameras", "frames", "images", "points3D", "rigs")
