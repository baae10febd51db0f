"""Views of a flat picture: homographies of a tilted, turned camera, and resampling without aliasing."""

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from hndesc.geometry.color import to_linear
from hndesc.io.files import write_text

SAMPLES = 3
# How far images 2 to 6 of a sequence are on the way from its first image to its last one.
GROWTH = {k: ((k - 1) / 5) ** 0.7 for k in range(2, 7)}


def view_homography(
    center: tuple[float, float],
    size: tuple[int, int],
    zoom: float = 1.0,
    roll: float = 0.0,
    tilt: float = 0.0,
    pan: float = 0.0,
) -> np.ndarray:
    """Return the 3 x 3 homography from a picture to the photo that a pinhole camera takes of it.

    Args:
        center: the point (x, y) of the picture that comes to lie in the middle of the photo.
        size: (width, height) of the photo; its focal length is 1.2 times the longer side.
        zoom: pixels of the photo for one of the picture, at the middle.
        roll: rotation in the image plane, degrees.
        tilt: rotation of the picture about its x axis, degrees.
        pan: rotation of the picture about its y axis, degrees.
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
    """Return the homography into a photo with `samples` times the pixels on each axis (centers at integers)."""
    offset = (samples - 1) / 2
    return np.array([[samples, 0, offset], [0, samples, offset], [0, 0, 1]]) @ homography


def warp(picture: np.ndarray, homography: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Photograph a flat picture (float32, H x W x 3): each pixel is the mean of SAMPLES x SAMPLES cubic samples."""
    fine_size = (size[0] * SAMPLES, size[1] * SAMPLES)
    fine = cv2.warpPerspective(
        picture, finer(homography, SAMPLES), fine_size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.maximum(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), 0)


def hang(
    photo: np.ndarray, wall: np.ndarray, margin: int, tint: tuple[float, float, float], frame: int = 6
) -> np.ndarray:
    """Hang a photo on a wall: linear light, `margin` pixels of wall on each side, a dark frame around the photo.

    Args:
        photo: sRGB, uint8, H x W x 3.
        wall: texture of the wall, sRGB, uint8; it goes on mirrored where it is too small.
        margin: pixels of wall on each side; the photo's pixel (0, 0) comes to lie at (margin, margin).
        tint: color of the wall, factors on R, G, B.
        frame: width of the frame in pixels.
    """
    height, width = photo.shape[0] + 2 * margin, photo.shape[1] + 2 * margin
    wall = to_linear(wall[:height, :width]) * np.array(tint, np.float32)
    canvas = np.pad(wall, [(0, height - wall.shape[0]), (0, width - wall.shape[1]), (0, 0)], mode="symmetric")
    canvas[margin - frame : height - margin + frame, margin - frame : width - margin + frame] = 0.03
    canvas[margin : height - margin, margin : width - margin] = to_linear(photo)
    return canvas


def write_homography(folder: Path, k: int, homography: np.ndarray) -> None:
    """Write the homography from image 1 to image k of a sequence, as HPatches does."""
    rows = (homography / homography[2, 2]).tolist()
    write_text(folder / f"H_1_{k}", "".join(" ".join(f"{value:.12g}" for value in row) + "\n" for row in rows))
