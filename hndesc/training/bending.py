"""Smooth warps of a crop by a thin-plate spline, like the image of a surface that is not flat."""

from functools import lru_cache

import numpy as np
from scipy.interpolate import RBFInterpolator

_CONTROLS = 4  # control points per side
_STEPS = 20
_TOLERANCE = 0.05  # pixels


def draw_field(generator: np.random.Generator, crop_size: int, largest: float) -> np.ndarray:
    """Draw the displacements of a thin-plate spline through a grid of randomly shifted control points.

    Args:
        generator: random number generator.
        crop_size: side of the crop in pixels.
        largest: largest shift of a control point on each axis, crop sides.

    Returns:
        S x S x 2 float32, pixels: the bent crop shows at (x, y) what the flat one shows at (x, y) + field[y, x].
    """
    shifts = generator.uniform(-largest, largest, (_CONTROLS**2, 2)) * crop_size
    return (_basis(crop_size) @ shifts.astype(np.float32)).reshape(crop_size, crop_size, 2)


@lru_cache(maxsize=4)
def _basis(crop_size: int) -> np.ndarray:
    """Return the linear map from the shifts of the control points to the displacements of all pixels."""
    line = np.linspace(0, crop_size - 1, _CONTROLS)
    controls = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    spline = RBFInterpolator(controls, np.eye(_CONTROLS**2), kernel="thin_plate_spline")
    return spline(pixels(crop_size).reshape(-1, 2)).astype(np.float32)


def pixels(crop_size: int) -> np.ndarray:
    """Return the coordinates (x, y) of all pixels of a crop, S x S x 2."""
    line = np.arange(crop_size, dtype=np.float64)
    return np.stack(np.meshgrid(line, line), axis=-1)


def bend_points(points: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Return where the points of a flat crop are in the bent one.

    Args:
        points: N x 2, pixels of the flat crop.
        field: see `draw_field`.

    Returns:
        N x 2 float64; NaN for points that the bent crop does not show, or not at one place.
    """
    points = np.nan_to_num(np.asarray(points, np.float64), nan=-1e30)  # at infinity: not shown
    places = points
    for _ in range(_STEPS):  # a contraction where the field varies by less than a pixel per pixel
        places = points - _sample(field, places)
    wrong = np.linalg.norm(places + _sample(field, places) - points, axis=1) > _TOLERANCE
    last = len(field) - 1
    places[wrong | (places < 0).any(axis=1) | (places > last).any(axis=1)] = np.nan
    return places


def _sample(field: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate the field at N x 2 places, those outside at the nearest pixel."""
    last = len(field) - 1
    column, row = np.clip(places, 0, last).T
    left, top = (np.minimum(one.astype(int), last - 1) for one in (column, row))
    u, v = (column - left)[:, None], (row - top)[:, None]
    upper = (1 - u) * field[top, left] + u * field[top, left + 1]
    lower = (1 - u) * field[top + 1, left] + u * field[top + 1, left + 1]
    return (1 - v) * upper + v * lower
