"""The step that evaluates a reconstruction: what is registered, and where the cameras are known, how exactly."""

import os
from collections.abc import Mapping
from pathlib import Path

from hndesc.datasets.localization.pycolmap_border import pycolmap, to_pose
from hndesc.datasets.localization.readers import LAYOUTS
from hndesc.datasets.localization.scene import Pose
from hndesc.datasets.photo_sets import SUMMARY
from hndesc.errors import HndescError, counted
from hndesc.evaluation.reconstruction.metrics import position_figures
from hndesc.evaluation.result import describe, write_result
from hndesc.io.files import check_output_files, read_json
from hndesc.reconstruction.build import MODELS

PROTOCOL = (
    "incremental structure from motion without known cameras; errors of the largest model after the similarity that "
    "aligns its camera positions best"
)


def score_reconstruction(
    root: str | os.PathLike,
    folder: str | os.PathLike,
    output: str | os.PathLike,
    json_output: str | os.PathLike | None,
    *,
    name: str | None = None,
) -> dict:
    """Evaluate a reconstruction.

    Args:
        root: folder of the photos or of a localization dataset, whose poses count as measured.
        folder: of `hndesc.reconstruction.build.build_reconstruction`.
        output: text file to write.
        json_output: JSON file to write, or None.
        name: name of the benchmark; by default that of the folder of the dataset.

    Returns:
        The content of the JSON file.
    """
    check_output_files([output, json_output])
    if not os.path.isdir(root):
        raise HndescError(f"{root}: no such folder of photos or of a localization dataset")
    folder, summary = Path(folder), read_json(Path(folder) / SUMMARY)
    figures = {key: summary[key] for key in ("images", "registered")} | {"models": len(summary["models"])}
    errors: dict = {}
    if summary["models"]:
        largest = summary["models"][0]
        figures |= {key: largest[key] for key in ("points", "mean_track_length", "mean_reprojection_error")}
        errors = position_figures(_poses(folder / MODELS / "0"), measured_poses(Path(root)))
    else:
        figures |= {"points": 0, "mean_track_length": None, "mean_reprojection_error": None}
    per_image = errors.pop("errors", {})
    record = {
        **describe(root, name, "reconstruction", PROTOCOL),
        "figures": figures | errors,
        "models": summary["models"],
        "not_registered": summary["not_registered"],
        "per_image": {
            image: {"position_error": position, "rotation_error": rotation}
            for image, (position, rotation) in per_image.items()
        },
        "failures": [{"name": image, "reason": reason} for image, reason in summary["failed"].items()],
        "counts": summary["counts"],
        "settings": summary["settings"],
        "features": summary["features"],
        "matches": summary["matches"],
    }
    write_result(output, json_output, _text(record["figures"]), record)
    return record


def measured_poses(root: Path) -> dict[str, Pose]:
    """Return the poses of a localization dataset by name, those of its queries among them; none of any other folder."""
    layout = next((layout for layout in LAYOUTS if layout.found(root)), None)
    if layout is None:
        return {}
    scene = layout.read(root, None)
    return {**scene.poses, **scene.truth}


def _poses(folder: Path) -> dict[str, Pose]:
    model = pycolmap.Reconstruction(folder)
    return {image.name: to_pose(image.cam_from_world()) for image in model.images.values() if image.has_pose}


def _text(figures: Mapping) -> str:
    lines = [
        f"registered: {figures['registered']} of {figures['images']} images in {counted(figures['models'], 'model')}"
    ]
    if figures["models"]:
        lines.append(
            f"largest model: {figures['points']} points, mean track length {figures['mean_track_length']:.2f}, mean "
            f"reprojection error {figures['mean_reprojection_error']:.3f} px"
        )
    if figures.get("median_position_share") is not None:
        lines.append(
            f"median position error: {figures['median_position_error']:.4g} "
            f"({100 * figures['median_position_share']:.3f} % of the mean camera distance)"
        )
        lines.append(f"largest position error: {100 * figures['largest_position_share']:.3f} %")
        lines.append(f"median rotation error: {figures['median_rotation_error']:.3f} degrees")
    return "\n".join(lines) + "\n"
