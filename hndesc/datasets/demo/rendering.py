"""A renderer for scenes of textured rectangles, with exact pinhole cameras, occlusion and anti-aliasing."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hndesc.datasets.views import finer

SAMPLES = 2
NEAR = 0.3


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: square pixels, principal point in the middle, world to camera x = R X + t (meters)."""

    size: tuple[int, int]
    focal: float
    R: np.ndarray
    t: np.ndarray

    @property
    def K(self) -> np.ndarray:
        """Intrinsics for pixel centers at integers."""
        width, height = self.size
        return np.array([[self.focal, 0, (width - 1) / 2], [0, self.focal, (height - 1) / 2], [0, 0, 1]])

    @property
    def center(self) -> np.ndarray:
        """Position in the world."""
        return -self.R.T @ self.t

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project N x 3 world points; return N x 2 pixels (centers at integers) and their depths."""
        local = points @ self.R.T + self.t
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = local[:, :2] / local[:, 2:] * self.focal + self.K[:2, 2]
        return pixels, local[:, 2]


@dataclass(frozen=True)
class Panel:
    """A textured rectangle: `origin` is the top left corner of the texture, `right` and `down` are its sides.

    The texture (linear light, float32, h x w x 3) is visible from the side opposite to `right` x `down`.
    """

    origin: np.ndarray
    right: np.ndarray
    down: np.ndarray
    texture: np.ndarray

    @property
    def inward(self) -> np.ndarray:
        """The unit normal that points away from the viewer."""
        normal = np.cross(self.right, self.down)
        return normal / np.linalg.norm(normal)

    def at(self, shares: np.ndarray) -> np.ndarray:
        """Return the world points (N x 3) at fractions (N x 2, 0 to 1) of the sides."""
        return self.origin + shares[:, :1] * self.right + shares[:, 1:] * self.down

    def homography(self, camera: Camera, size: tuple[int, int]) -> np.ndarray:
        """Return the homography to the photo from a texture of (width, height) = `size`, pixel centers at integers."""
        across, along = self.right / size[0], self.down / size[1]
        plane = np.column_stack([across, along, self.origin + (across + along) / 2])
        pose = camera.R @ plane
        pose[:, 2] += camera.t
        return camera.K @ pose


CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def render(panels: Sequence[Panel], camera: Camera, sky: np.ndarray) -> np.ndarray:
    """Render an image in linear light, float32, H x W x 3; `sky` (3) is the color of the background."""
    width, height = camera.size
    image = np.empty((height * SAMPLES, width * SAMPLES, 3), np.float32)
    image[:] = sky
    nearest = np.zeros(image.shape[:2], np.float32)
    # Near panels first, so that occluded pixels need not be drawn.
    for panel in sorted(panels, key=lambda panel: np.linalg.norm(panel.at(CORNERS).mean(axis=0) - camera.center)):
        if panel.inward @ (panel.origin - camera.center) > 0:
            _draw(panel, camera, image, nearest)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _draw(panel: Panel, camera: Camera, image: np.ndarray, nearest: np.ndarray) -> None:
    """Draw one panel into the supersampled image where it is in front; `nearest` contains inverse depths."""
    outline = _outline(panel, camera)
    if len(outline) < 3:
        return
    left, top = np.maximum(np.ceil(outline.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.floor(outline.max(axis=0)) + 1, image.shape[1::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right, dtype=np.float32)[None]
    y = np.arange(top, bottom, dtype=np.float32)[:, None]
    inverse_depth = _inverse_depth(panel, camera, x, y)
    window = (slice(top, bottom), slice(left, right))
    visible = _inside(outline, x, y) & (inverse_depth > nearest[window])
    if visible.any():
        texture = _downsample(panel.texture, outline) if len(outline) == 4 else panel.texture
        homography = finer(panel.homography(camera, texture.shape[1::-1]), SAMPLES)
        homography = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ homography
        patch = cv2.warpPerspective(
            texture, homography, (right - left, bottom - top), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        np.copyto(image[window], np.maximum(patch, 0), where=visible[..., None])
        np.copyto(nearest[window], inverse_depth, where=visible)


def _outline(panel: Panel, camera: Camera) -> np.ndarray:
    """Return the corners (N x 2, supersampled pixels, clockwise) of a panel clipped at the near plane."""
    local = panel.at(CORNERS) @ camera.R.T + camera.t
    kept = []
    for here, following in zip(local, np.roll(local, -1, axis=0), strict=True):
        if here[2] > NEAR:
            kept.append(here)
        if (here[2] > NEAR) != (following[2] > NEAR):
            kept.append(here + (NEAR - here[2]) / (following[2] - here[2]) * (following - here))
    local = np.array(kept).reshape(-1, 3)
    return (local[:, :2] / local[:, 2:] * camera.focal + camera.K[:2, 2] + 0.5) * SAMPLES - 0.5


def _inverse_depth(panel: Panel, camera: Camera, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return 1/z of the plane of a panel at supersampled pixels; it is linear in the pixel coordinates."""
    normal = camera.R @ panel.inward
    distance = panel.inward @ (panel.origin - camera.center)
    row = np.linalg.inv(finer(camera.K, SAMPLES)).T @ normal / distance
    return (row[0] * x + row[1] * y + row[2]).astype(np.float32)


def _inside(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the mask of the pixels in a convex quadrangle (corners clockwise in the image)."""
    inside = np.ones((y.shape[0], x.shape[1]), bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        a, b = np.float32(y1 - y2), np.float32(x2 - x1)
        inside &= a * x + b * y >= np.float32(a * x1 + b * y1)
    return inside


def _downsample(texture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Downsample a texture to about the pixels that it covers in the supersampled image, to prevent aliasing."""
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    covered = max(sides[0], sides[2]), max(sides[1], sides[3])
    size = tuple(max(1, min(have, round(needed))) for have, needed in zip(texture.shape[1::-1], covered, strict=True))
    return texture if size == texture.shape[1::-1] else cv2.resize(texture, size, interpolation=cv2.INTER_AREA)


def visible(points: np.ndarray, panels: Sequence[Panel], camera: Camera) -> np.ndarray:
    """Return the mask of the world points (N x 3, on panels) that are in the frame of a camera and not occluded."""
    pixels, depths = camera.project(points)
    width, height = camera.size
    seen = (depths > NEAR) & (pixels >= -0.5).all(axis=1) & (pixels <= (width - 0.5, height - 0.5)).all(axis=1)
    rays = points - camera.center
    for panel in panels:
        facing = rays @ panel.inward
        reach = panel.inward @ (panel.origin - camera.center) / np.where(facing == 0, np.inf, facing)
        hits = camera.center + reach[:, None] * rays - panel.origin
        shares = np.column_stack(
            [hits @ panel.right / (panel.right @ panel.right), hits @ panel.down / (panel.down @ panel.down)]
        )
        seen &= ~((reach > 0) & (reach < 1 - 1e-6) & (shares >= 0).all(axis=1) & (shares <= 1).all(axis=1))
    return seen
