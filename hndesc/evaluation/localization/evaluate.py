"""The step that localizes the queries of a dataset and evaluates poses with known ground truth."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hndesc.datasets.localization.poses import format_poses
from hndesc.datasets.localization.readers import read_scene
from hndesc.datasets.localization.scene import Scene
from hndesc.errors import HndescError, counted
from hndesc.evaluation.localization.metrics import THRESHOLDS, mean_camera_distance, pose_errors, score
from hndesc.evaluation.result import describe, write_result
from hndesc.io.features import FeatureReader
from hndesc.io.files import check_output_files
from hndesc.localization.mapping import DATABASE, MapperSettings, make_settings, read_map
from hndesc.localization.matches import MatchReader, check_made_from
from hndesc.localization.pnp import PnpSettings, estimate_by_pnp
from hndesc.localization.queries import Estimate, complete, count_localized, is_localized
from hndesc.localization.registration import estimate_by_registration

logger = logging.getLogger(__name__)

METHODS = {"pnp": PnpSettings, "registration": MapperSettings}
ROUTES = {"pnp": "2D-3D matches and LO-RANSAC (pnp)", "registration": "COLMAP's image registration (registration)"}
PROTOCOL = "queries by {} against a map triangulated with known poses; recall within position and rotation thresholds"


def localize_queries(
    root: Path,
    features: Path,
    matches: Path,
    map_folder: Path,
    output: Path,
    json_output: Path | None,
    *,
    name: str | None = None,
    pairs: Path | None = None,
    method: str = "pnp",
    thresholds: Sequence[tuple[float, float]] = THRESHOLDS,
    seed: int = 0,
    **settings: float,
) -> dict:
    """Localize every query of a dataset and write the poses in the format of visuallocalization.net.

    A query that cannot be localized gets the pose of its best retrieved database image, the first of its pairs; it is
    listed with the reason in the log and the JSON file.

    Args:
        root: folder of the dataset.
        features: feature file.
        matches: match file of the listed pairs.
        map_folder: output of `hndesc.localization.mapping.build_map`.
        output: file of poses to write, one line per query: `name qw qx qy qz tx ty tz`.
        json_output: JSON file to write, or None, with recall and median errors (if the ground truth is known), all
            queries and settings.
        name: name of the benchmark; by default that of the folder of the dataset.
        pairs: list of pairs that replaces that of the dataset.
        method: "pnp" (2D-3D matches) or "registration" (COLMAP's incremental mapper, as published).
        thresholds: (position in units of the scene, degrees) of the recall.
        seed: seed of RANSAC.
        **settings: settings of `PnpSettings`, or of `MapperSettings` for "registration".

    Returns:
        The content of the JSON file.
    """
    check_output_files([output, json_output], filter(None, [features, matches, pairs]))
    chosen = _settings(method, settings)
    _check_thresholds(thresholds)
    scene = read_scene(root, pairs)
    summary, model = read_map(map_folder)
    with FeatureReader(features) as feature_reader, MatchReader(matches) as match_reader:
        check_made_from(match_reader, feature_reader)
        if summary.get("features", feature_reader.settings) != feature_reader.settings:
            raise HndescError(f"{map_folder}: a map of other features than {features}; build it of these")
        if isinstance(chosen, PnpSettings):
            estimates = estimate_by_pnp(scene, feature_reader, match_reader, model, chosen, seed)
        else:
            options = chosen.options(seed)
            estimates = estimate_by_registration(scene, feature_reader, Path(map_folder) / DATABASE, model, options)
        made_from = {"features": feature_reader.settings, "matches": match_reader.settings}
    used = {"method": method, "seed": seed, "thresholds": thresholds} | asdict(chosen)
    text, record = _result(scene, estimates, summary, thresholds)
    record = (
        describe(root, name, "localization", PROTOCOL.format(ROUTES[method]))
        | record
        | {"settings": used | {"map": summary["settings"]}}
        | made_from
    )
    write_result(output, json_output, text, record)
    return record


def _check_thresholds(thresholds: Sequence[tuple[float, float]]) -> None:
    try:
        values = np.asarray(thresholds, np.float64)
        sound = values.ndim == 2 and values.shape[1] == 2 and len(values) > 0 and (values > 0).all()
    except (TypeError, ValueError):
        sound = False
    if not sound or not np.isfinite(values).all():
        raise HndescError(f"thresholds of recall are {thresholds!r:.100}; expected pairs of numbers above 0")


def _settings(method: str, changes: Mapping[str, float]) -> PnpSettings | MapperSettings:
    if method not in METHODS:
        raise HndescError(f"unknown localization method '{method}'; choose one of: {', '.join(METHODS)}")
    return make_settings(METHODS[method], changes)


def _result(
    scene: Scene,
    estimates: Mapping[str, Estimate],
    summary: Mapping,
    thresholds: Sequence[tuple[float, float]],
) -> tuple[str, dict]:
    """Return the text of the poses and the record of the JSON file."""
    poses, records = complete(scene, estimates)
    errors = pose_errors(poses, scene.truth)
    for name, pose in poses.items():
        records[name]["pose"] = [*pose.quaternion().tolist(), *pose.translation.tolist()]
    for name, (position, rotation) in errors.items():
        records[name] |= {"position_error": position, "rotation_error": rotation}
    figures = score(errors, scene.conditions, mean_camera_distance(scene.poses), thresholds)
    failures = {name: record["reason"] for name, record in records.items() if record["reason"]}
    _report(figures, records, thresholds)
    return format_poses(poses), {
        "figures": figures | {"localized": count_localized(records), "map": summary["figures"]},
        "counts": summary["counts"],
        "problems": scene.problems,
        "per_query": records,
        "failures": [{"name": name, "reason": reason} for name, reason in failures.items()],
    }


def _report(
    figures: Mapping[str, dict], records: Mapping[str, dict], thresholds: Sequence[tuple[float, float]]
) -> None:
    for name, record in records.items():
        if record["pose_of"]:
            reason, other = record["reason"], record["pose_of"]
            logger.warning("'%s' could not be localized (%s): it gets the pose of '%s'", name, reason, other)
        elif not is_localized(record):
            logger.warning(
                "'%s' has a pose with only %s, which does not count as localized",
                name,
                counted(record["inliers"], "inlier"),
            )
    for condition, count in count_localized(records).items():
        logger.info("%s: %d of %d queries localized", condition, count["localized"], count["queries"])
    widest = [max(limits) for limits in zip(*thresholds, strict=True)]
    known = [record for record in records.values() if is_localized(record) and "position_error" in record]
    wrong = sum(record["position_error"] > widest[0] or record["rotation_error"] > widest[1] for record in known)
    if wrong:
        logger.warning("%d of %d localized queries have errors above %g/%g", wrong, len(known), *widest)
    for condition, values in figures.items():
        shares = " / ".join(f"{100 * share:.1f}" for share in values["recall"].values())
        logger.info("%s: %s %% within %s", condition, shares, " / ".join(values["recall"]))
        position, rotation = values["median_position_error"], values["median_rotation_error"]
        share = 100 * (values["median_position_share"] or 0)
        logger.info(
            "%s: medians %.4g (%.3g %% of the mean camera distance), %.3g degrees", condition, position, share, rotation
        )
