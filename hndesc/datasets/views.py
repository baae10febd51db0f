"""Simulated views of a planar image: homographies of a rotated camera, and anti-aliased resampling."""

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from hndesc.geometry.color import to_linear
from hndesc.io.files import write_text

SAMPLES = 3
# Strength of the change in images 2 to 6 of a sequence, relative to the last one.
GROWTH = {k: ((k - 1) / 5) ** 0.7 for k in range(2, 7)}


def view_homography(
    center: tuple[float, float],
    size: tuple[int, int],
    zoom: float = 1.0,
    roll: float = 0.0,
    tilt: float = 0.0,
    pan: float = 0.0,
) -> np.ndarray:
    """Return the 3 x 3 homography from a planar image to a view of it by a pinhole camera.

    Args:
        center: point (x, y) of the image that is projected to the center of the view.
        size: (width, height) of the view; the focal length is 1.2 times the longer side.
        zoom: scale from the image to the view at the center.
        roll: rotation in the image plane, degrees.
        tilt: rotation of the image about its x axis, degrees.
        pan: rotation of the image about its y axis, degrees.
    """
    focal = 1.2 * max(size)
    x_axis, y_axis = rotation(roll, tilt, pan)[:, :2].T
    distance = focal / zoom
    pose = np.column_stack([x_axis, y_axis, [0, 0, distance]])
    middle = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    intrinsics = np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])
    shift = np.array([[1, 0, -center[0]], [0, 1, -center[1]], [0, 0, 1]])
    homography = intrinsics @ pose @ shift
    return homography / homography[2, 2]


def rotation(roll: float, tilt: float, pan: float) -> np.ndarray:
    """Return the rotation matrix Rz(roll) Rx(tilt) Ry(pan), angles in degrees."""
    return Rotation.from_euler("ZXY", [roll, tilt, pan], degrees=True).as_matrix()


def finer(homography: np.ndarray, samples: int) -> np.ndarray:
    """Return the homography into a view with `samples` times the pixels on each axis (centers at integers)."""
    offset = (samples - 1) / 2
    return np.array([[samples, 0, offset], [0, samples, offset], [0, 0, 1]]) @ homography


def warp(image: np.ndarray, homography: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Warp an image (float32, H x W x 3); each pixel is the mean of SAMPLES x SAMPLES cubic samples."""
    fine_size = (size[0] * SAMPLES, size[1] * SAMPLES)
    fine = cv2.warpPerspective(
        image, finer(homography, SAMPLES), fine_size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.maximum(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), 0)


def mount_on_wall(
    image: np.ndarray, wall: np.ndarray, margin: int, tint: tuple[float, float, float], frame: int = 6
) -> np.ndarray:
    """Return an image with a dark frame on a wall, in linear light.

    Args:
        image: sRGB, uint8, H x W x 3.
        wall: texture of the wall, sRGB, uint8, mirrored if it is too small.
        margin: pixels of wall on each side; pixel (0, 0) of the image is at (margin, margin).
        tint: color of the wall, factors on R, G, B.
        frame: width of the frame in pixels.
    """
    height, width = image.shape[0] + 2 * margin, image.shape[1] + 2 * margin
    wall = to_linear(wall[:height, :width]) * np.array(tint, np.float32)
    canvas = np.pad(wall, [(0, height - wall.shape[0]), (0, width - wall.shape[1]), (0, 0)], mode="symmetric")
    canvas[margin - frame : height - margin + frame, margin - frame : width - margin + frame] = 0.03
    canvas[margin : height - margin, margin : width - margin] = to_linear(image)
    return canvas


def write_homography(folder: Path, k: int, homography: np.ndarray) -> None:
    """Write the homography from image 1 to image k of a sequence in the format of HPatches."""
    rows = (homography / homography[2, 2]).tolist()
    write_text(folder / f"H_1_{k}", "".join(" ".join(f"{value:.12g}" for value in row) + "\n" for row in rows))
