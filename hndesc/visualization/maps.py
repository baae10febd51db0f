"""Figures of a localization: the model with its cameras from above, inlier matches of queries, pose errors."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import NullFormatter

from hndesc.datasets.localization.images import posed_images
from hndesc.datasets.localization.pycolmap_border import camera_keypoints, pycolmap, to_camera
from hndesc.datasets.localization.readers import read_scene
from hndesc.datasets.localization.scene import Pose, Scene
from hndesc.errors import HndescError, counted
from hndesc.io.features import FeatureReader
from hndesc.io.images import to_gray
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.localization.mapping import observed, read_map
from hndesc.localization.matches import MatchReader
from hndesc.visualization.ground_plan import draw_cameras, level_axes, limit_axes
from hndesc.visualization.match_figures import Correspondences, draw_classified_matches
from hndesc.visualization.origins import descriptor_styles
from hndesc.visualization.results import Result
from hndesc.visualization.style import COLORS, OUTLIER, figure

STEP = "plot_localization"
_LEAST = 1e-6  # replaces an error of zero on a logarithmic axis
# Images of a lower median are brightened for display.
_DARK, _BRIGHT = 60, 110


def plot_localization(
    root: str | os.PathLike,
    features: str | os.PathLike,
    matches: str | os.PathLike,
    map_folder: Path,
    results: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    labels: Sequence[str],
    *,
    pairs: Path | None = None,
    count: int = 2,
    order: Sequence[str] = (),
) -> None:
    """Write `model.jpg`, `errors.jpg` (if the ground truth is known) and `<query>.jpg` for some queries.

    Args:
        root: folder of the dataset.
        features: feature file of the first result.
        matches: match file of the first result.
        map_folder: map of the first result.
        results: JSON results, one per descriptor.
        output: folder of the figures, which is replaced.
        labels: name of each descriptor.
        pairs: list of pairs that replaces that of the dataset.
        count: number of queries per condition whose matches are drawn, those with a median number of inliers.
        order: names of all descriptors of the run, so that each has the same color in all figures.
    """
    inputs = [root, features, matches, map_folder, *results, pairs]
    check_output_folder(output, STEP, inputs)
    scene, result = read_scene(Path(root), pairs), Result(results[0])
    queries = result.get("per_query")
    _, model = read_map(map_folder)
    settings = result.get("settings")
    largest = settings.get("max_error") or settings["filter_max_reproj_error"]
    with (
        replace_folder(output, STEP, inputs) as part,
        FeatureReader(features) as feature_reader,
        MatchReader(matches) as match_reader,
    ):
        plot_model(scene, queries, np.array([point.xyz for point in model.points3D.values()]), part / "model.jpg")
        for name in _typical(queries, count):
            place = part / f"{name.replace('/', '_').rpartition('.')[0]}.jpg"
            _plot_query(scene, name, queries[name], feature_reader, match_reader, model, largest, place)
        if scene.truth:
            plot_errors(results, part / "errors.jpg", labels, order)


def _typical(queries: Mapping[str, Mapping], count: int) -> list[str]:
    """Return the localized queries with a median number of inliers, for each condition."""
    chosen = []
    for condition in dict.fromkeys(query["condition"] for query in queries.values()):
        localized = [n for n, query in queries.items() if query["condition"] == condition and not query["pose_of"]]
        localized.sort(key=lambda name: queries[name]["inliers"])
        start = max(0, (len(localized) - count) // 2)
        chosen += localized[start : start + count]
    return chosen


def plot_model(scene: Scene, queries: Mapping[str, Mapping], points: np.ndarray, output: Path) -> None:
    """Draw points (N x 3), database cameras and queries from above; queries that failed are marked at their true pose.

    The up direction is the mean of the up directions of the cameras.
    """
    ground = level_axes(list(scene.poses.values()))[:2]
    poses = {name: Pose.from_quaternion(query["pose"][:4], query["pose"][4:]) for name, query in queries.items()}
    found = [name for name, query in queries.items() if not query["pose_of"]]
    # Limits are set by known cameras, so that poses with large errors do not shrink the rest to a dot.
    centers = np.array([pose.center() for pose in [*scene.poses.values(), *scene.truth.values()]])
    length = 0.06 * np.ptp(centers @ ground.T, axis=0).max()
    with figure(output, 8.0, 7.0) as drawing:
        axes = drawing.subplots()
        shown = (points, "point"), (scene.poses, "database image"), (found, "query")
        axes.set_title(", ".join(counted(len(things), noun) for things, noun in shown) + " localized")
        if len(points):
            axes.plot(*(points @ ground.T).T, ".", color="#888888", markersize=1.5, alpha=0.6, zorder=1)
        draw_cameras(axes, list(scene.poses.values()), ground, length, COLORS[0], "database")
        draw_cameras(axes, [poses[name] for name in found], ground, length, COLORS[2], "localized queries")
        _draw_truth(axes, scene, poses, found, ground)
        limit_axes(axes, points @ ground.T if len(points) else centers @ ground.T, centers @ ground.T)
        axes.set(aspect="equal", xlabel="right (units of the scene)", ylabel="forward (units of the scene)")
        axes.legend(loc="upper right")


def _draw_truth(axes: Axes, scene: Scene, poses: Mapping[str, Pose], found: Sequence[str], ground: np.ndarray) -> None:
    """Connect localized queries with their true positions, and mark the true positions of the others."""
    lines = [[poses[name].center(), scene.truth[name].center()] for name in found if name in scene.truth]
    if lines:
        axes.add_collection(LineCollection(np.array(lines) @ ground.T, colors=OUTLIER, linewidths=1.2, zorder=4))
    lost = [scene.truth[name].center() for name in poses if name not in found and name in scene.truth]
    if lost:
        axes.plot(*(np.array(lost) @ ground.T).T, "x", color=OUTLIER, label="queries not localized", zorder=4)


def _plot_query(
    scene: Scene,
    name: str,
    query: Mapping,
    features: FeatureReader,
    matches: MatchReader,
    model: "pycolmap.Reconstruction",
    largest: float,
    output: Path,
) -> None:
    """Draw the 2D-3D matches of a query with the database image that shares most inliers."""
    intrinsics = scene.queries[name]
    if intrinsics is None:
        return
    pose, camera = Pose.from_quaternion(query["pose"][:4], query["pose"][4:]), to_camera(intrinsics)
    entry = features.read(name)
    keypoints, in_camera = entry.keypoints, camera_keypoints(entry, intrinsics, name)
    found: dict[str, Correspondences] = {}
    for other in scene.retrieved()[name]:
        rows, image = matches.read(name, other), model.find_image_with_name(other)
        if rows is None or image is None or not len(rows) or not image.points2D:
            continue
        ids = observed(image)[rows[:, 1]]
        rows, ids = rows[ids >= 0], ids[ids >= 0]
        seen = np.array([model.points3D[point].xyz for point in ids]).reshape(-1, 3)
        inliers = _errors(camera, pose, seen, in_camera[rows[:, 0]]) <= largest
        found[other] = Correspondences(keypoints[rows[:, 0]], features.read(other).keypoints[rows[:, 1]], inliers)
    if not found:
        return
    best = max(found, key=lambda other: found[other].correct.sum())
    images = {entry.name: entry for entry in posed_images(scene.root)}
    correct = found[best].correct
    title = f"{correct.sum()} of {len(correct)} matches are inliers of the pose at {largest:g} px"
    if "position_error" in query:
        title += f"; error {query['position_error']:.3g} in position, {query['rotation_error']:.2g}\N{DEGREE SIGN}"
    shown, dark = brighten(images[name].read())
    heading = f"{name}{' (brightened)' if dark else ''}  \N{RIGHTWARDS ARROW}  {best}"
    draw_classified_matches((shown, images[best].read()), [found[best]], output, heading, [title])


def brighten(image: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return an image, a dark one with its median luma raised by a gamma curve, and whether it was dark.

    Args:
        image: RGB, uint8.
    """
    median = float(np.median(to_gray(image)))
    if median >= _DARK:
        return image, False
    gamma = np.log(_BRIGHT / 255) / np.log(max(median, 1.0) / 255)
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return table[image], True


def _errors(camera: "pycolmap.Camera", pose: Pose, points: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Return the reprojection errors of K points (COLMAP's pixel convention), infinity behind the camera."""
    inside = points @ pose.rotation.T + pose.translation
    errors = np.full(len(points), np.inf)
    ahead = inside[:, 2] > 0
    if ahead.any():
        errors[ahead] = np.linalg.norm(camera.img_from_cam(inside[ahead]) - keypoints[ahead], axis=1)
    return errors


def plot_errors(
    results: Sequence[str | os.PathLike], output: Path, labels: Sequence[str], order: Sequence[str] = ()
) -> None:
    """Draw the share of queries within each position and each rotation error, one line per descriptor."""
    read = [Result(path) for path in results]
    errors = {label: _query_errors(result) for label, result in zip(labels, read, strict=True)}
    everything = np.concatenate(list(errors.values()))
    if not len(everything):
        raise HndescError(f"{output}: no query in the results has a ground truth pose")
    styles = descriptor_styles(labels, [result.get("features") for result in read], order)
    titles = ("Position error (units of the scene)", "Rotation error (\N{DEGREE SIGN})")
    with figure(output, 10.5, 3.6) as drawing:
        drawing.suptitle("Recall over error; queries that failed have the pose of their best database image")
        for column, (axes, title) in enumerate(zip(drawing.subplots(1, 2, sharey=True), titles, strict=True)):
            values = np.maximum(everything[:, column], _LEAST)
            limits = 10 ** np.floor(np.log10(values.min() / 1.2)), 10 ** np.ceil(np.log10(values.max() * 1.2))
            for (label, both), style in zip(errors.items(), styles, strict=True):
                ranked = np.sort(np.maximum(both[:, column], _LEAST))
                shares = np.arange(len(ranked) + 1) / max(1, len(ranked))
                look = {"color": style["color"], "linestyle": style["linestyle"], "label": label}
                axes.step([limits[0], *ranked, limits[1]], [*shares, shares[-1]], where="post", **look)
            axes.set(xlabel=title, xscale="log", xlim=limits, ylim=(0, 1.02))
            axes.xaxis.set_minor_formatter(NullFormatter())
        drawing.axes[0].set_ylabel("share of queries")
        handles = drawing.axes[0].get_legend_handles_labels()
        drawing.legend(*handles, loc="outside lower center", ncols=min(5, len(errors)))


def _query_errors(result: Result) -> np.ndarray:
    queries = result.get("per_query").values()
    rows = [(query["position_error"], query["rotation_error"]) for query in queries if "position_error" in query]
    return np.array(rows, np.float64).reshape(-1, 2)
