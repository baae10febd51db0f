"""Figures of a reconstruction: the model from above, and a page with an interactive 3-D view."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from hndesc.datasets.localization.pycolmap_border import pycolmap, to_pose
from hndesc.datasets.localization.scene import Pose
from hndesc.errors import counted
from hndesc.io.files import write_text
from hndesc.io.owned_folders import replace_folder
from hndesc.reconstruction.build import MODELS
from hndesc.visualization.ground_plan import draw_cameras, inner_box, level_axes, limit_axes
from hndesc.visualization.style import COLORS, figure

STEP, NAME = "plot_reconstruction", "model"
_MOST_POINTS = 50_000  # drawn, chosen at random
# No button that would send anything elsewhere.
_BUTTONS = ("toImage", "zoom3d", "pan3d", "orbitRotation", "tableRotation", "resetCameraDefault3d")
_CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtons": [list(_BUTTONS)]}
_CAMERA = 0.05  # length of a camera, as a share of the scene


def plot_reconstruction(folder: str | os.PathLike) -> list[Path]:
    """Write `model.png` and `model.html` beside each model of a reconstruction; return the files.

    Args:
        folder: of `hndesc.reconstruction.build.build_reconstruction`.
    """
    return [path for place in _models(folder) for path in _plot_model(place, place / NAME)]


def plot_models(folder: str | os.PathLike, output: str | os.PathLike) -> None:
    """Write `model_0.png`, `model_0.html`, … for each model of a reconstruction.

    Args:
        folder: of `hndesc.reconstruction.build.build_reconstruction`.
        output: folder of the figures, which is replaced.
    """
    with replace_folder(output, STEP, [folder]) as part:
        for place in _models(folder):
            _plot_model(place, part / f"{NAME}_{place.name}")


def _models(folder: str | os.PathLike) -> list[Path]:
    return sorted((Path(folder) / MODELS).iterdir(), key=lambda path: int(path.name))


def _plot_model(place: Path, stem: Path) -> tuple[Path, Path]:
    model = pycolmap.Reconstruction(place)
    drawn, page = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".html"))
    plot_from_above(model, drawn)
    write_text(page, view_page(model))
    return drawn, page


def _title(model: "pycolmap.Reconstruction") -> str:
    return (
        f"{counted(model.num_reg_images(), 'image')}, {counted(model.num_points3D(), 'point')}, mean track length "
        f"{model.compute_mean_track_length():.1f}, mean reprojection error "
        f"{model.compute_mean_reprojection_error():.2f} px"
    )


def _poses(model: "pycolmap.Reconstruction") -> dict[str, Pose]:
    images = sorted((image for image in model.images.values() if image.has_pose), key=lambda image: image.name)
    return {image.name: to_pose(image.cam_from_world()) for image in images}


def _points(model: "pycolmap.Reconstruction") -> tuple[np.ndarray, np.ndarray]:
    """Return positions (N x 3) and colors (N x 3, uint8) of points, at most `_MOST_POINTS` of them."""
    points = [model.points3D[number] for number in sorted(model.points3D)]
    if len(points) > _MOST_POINTS:
        chosen = np.sort(np.random.default_rng(0).permutation(len(points))[:_MOST_POINTS])
        points = [points[row] for row in chosen]
    positions = np.array([point.xyz for point in points], np.float64).reshape(-1, 3)
    return positions, np.array([point.color for point in points], np.uint8).reshape(-1, 3)


def plot_from_above(model: "pycolmap.Reconstruction", output: Path) -> None:
    """Draw the points and cameras of a model from above."""
    poses = list(_poses(model).values())
    ground = level_axes(poses)[:2]
    positions, colors = _points(model)
    places, centers = positions @ ground.T, np.array([pose.center() for pose in poses]) @ ground.T
    low, high = inner_box(places if len(places) else centers, centers)
    width, depth = (high - low + 0.16 * (high - low).max() + 1e-9).tolist()
    with figure(output, 8.0, 1.0 + 7.0 * min(max(depth / width, 0.3), 1.3)) as drawing:
        axes = drawing.subplots()
        axes.set_title(_title(model))
        axes.scatter(*places.T, s=2.0, c=colors / 255, linewidths=0, zorder=1)
        draw_cameras(axes, poses, ground, _CAMERA * float((high - low).max()), COLORS[1], "cameras")
        limit_axes(axes, places if len(places) else centers, centers)
        axes.set(aspect="equal", xlabel="right (units of the model)", ylabel="forward (units of the model)")
        axes.legend(loc="upper right")


def view_page(model: "pycolmap.Reconstruction") -> str:
    """Return a self-contained HTML page with a 3-D view of a model, which can be turned, moved and zoomed."""
    poses = _poses(model)
    axes = level_axes(list(poses.values()))
    positions, colors = _points(model)
    positions, centers = positions @ axes.T, np.array([pose.center() for pose in poses.values()]) @ axes.T
    low, high = inner_box(positions if len(positions) else centers, centers)
    margin = 0.1 * (high - low).max()
    low, high = low - margin, high + margin
    inside = ((positions >= low) & (positions <= high)).all(axis=1)
    drawing = go.Figure(
        [
            _point_cloud(positions[inside], colors[inside]),
            _frusta(list(poses.values()), axes, _CAMERA * float((high - low).max())),
            _centers(centers, list(poses)),
        ]
    )
    ranges = {f"{axis}axis": _axis(limits) for axis, limits in zip("xyz", zip(low, high, strict=True), strict=True)}
    view = {"eye": {"x": 0.0, "y": -1.2, "z": 0.6}, "up": {"x": 0, "y": 0, "z": 1}}
    drawing.update_layout(
        # In two lines with the buttons below each other, which a telephone has room for, too.
        title={"text": escape(_title(model)).replace(", mean", ",<br>mean", 1), "font": {"size": 13}, "x": 0.02},
        modebar={"orientation": "v"},
        scene={**ranges, "aspectmode": "data", "camera": view},
        margin={"l": 0, "r": 0, "t": 50, "b": 0},
        legend={"x": 0.01, "y": 0.99},
        template="plotly_white",
    )
    page = drawing.to_html(include_plotlyjs=True, config=_CONFIG, default_height="100vh", div_id="model")
    head = '<head><meta name="viewport" content="width=device-width">'
    return page.replace("<head>", head, 1).replace("<body>", '<body style="margin:0; overflow:hidden">', 1)


def _axis(limits: tuple[float, float]) -> dict:
    return {"range": [float(value) for value in limits], "visible": False}


def _point_cloud(positions: np.ndarray, colors: np.ndarray) -> "go.Scatter3d":
    shades = [f"rgb({red},{green},{blue})" for red, green, blue in colors.tolist()]
    marker = {"size": 1.6, "color": shades}
    x, y, z = positions.astype(np.float32).T
    return go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, hoverinfo="skip", name="points")


def _frusta(poses: Sequence[Pose], axes: np.ndarray, length: float) -> "go.Scatter3d":
    """Return the outlines of cameras as one line with gaps."""
    corners = length * np.array([[x, y, 1.0] for x, y in ((-0.6, -0.4), (0.6, -0.4), (0.6, 0.4), (-0.6, 0.4))])
    order = (0, 1, 2, 0, 3, 4, 0, 1, 4, 3, 2)
    lines = []
    for pose in poses:
        ends = np.vstack([np.zeros(3), corners])
        lines += [((ends - pose.translation) @ pose.rotation)[list(order)] @ axes.T, np.full((1, 3), np.nan)]
    x, y, z = np.concatenate(lines).astype(np.float32).T
    line = {"color": COLORS[1], "width": 2}
    return go.Scatter3d(x=x, y=y, z=z, mode="lines", line=line, hoverinfo="skip", name="cameras")


def _centers(centers: np.ndarray, names: Sequence[str]) -> "go.Scatter3d":
    x, y, z = centers.astype(np.float32).T
    marker = {"size": 3, "color": COLORS[1]}
    texts = [escape(name) for name in names]
    return go.Scatter3d(
        x=x, y=y, z=z, mode="markers", marker=marker, text=texts, hoverinfo="text", name="photos", showlegend=False
    )
