"""Two crops of one photo, each warped by its own random homography, and their visible keypoints.

A crop shows a quadrilateral of the photo: a square that is zoomed, has two opposite sides scaled (perspective) and is
rotated. Both quadrilaterals of a pair lie inside the photo, at a position drawn uniformly from those where they fit. In
a photo that is too small, both are scaled down by one factor, as if the photo had been enlarged until they fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hndesc.geometry.homography import homography_of_corners, translation, warp_points
from hndesc.io.images import to_gray
from hndesc.training.bending import bend_points, draw_field, pixels
from hndesc.training.settings import PairSettings, ViewSettings


@dataclass(frozen=True)
class Pair:
    """Two crops and their keypoints.

    Attributes:
        anchor, positive: S x S x 3 uint8, RGB.
        anchor_points, positive_points: N x 2 float32, pixels of the crops, row by row the same keypoints.
        anchor_unmatched, positive_unmatched: L x 2 float32 each, keypoints of one crop that are missing in the other;
            empty unless the settings ask for unmatched keypoints.
    """

    anchor: np.ndarray
    positive: np.ndarray
    anchor_points: np.ndarray
    positive_points: np.ndarray
    anchor_unmatched: np.ndarray
    positive_unmatched: np.ndarray


def scaled_difficulty(settings: PairSettings, hardness: float) -> PairSettings:
    """Return the settings with zoom, rotation and perspective reduced to `hardness` (0 to 1) of their strength."""

    def factor(value: float) -> float:
        return 1 + hardness * (value - 1)

    easier = {
        "zoom": factor(settings.zoom),
        "zoom_max": factor(settings.zoom_max),
        "rotation": hardness * settings.rotation,
        "perspective": factor(settings.perspective),
    }
    return settings.model_copy(update=easier)


def random_quadrilateral(generator: np.random.Generator, crop_size: int, settings: ViewSettings) -> np.ndarray:
    """Draw the region of a photo that fills a crop, centered at the origin.

    Returns:
        4 x 2, positions of the corners of the crop (upper left, lower left, lower right, upper right) in pixels.
    """
    half = 0.5 * (crop_size - 1) * generator.uniform(settings.zoom, settings.zoom_max)
    points = half * np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    first, second = generator.uniform(settings.perspective, 1.0, 2)
    if generator.random() < 0.5:
        points[:, 0] *= np.array([first, second, second, first])  # the upper and the lower side
    else:
        points[:, 1] *= np.array([first, first, second, second])  # the left and the right side
    angle = np.radians(generator.uniform(-settings.rotation, settings.rotation))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ rotation.T


def random_quadrilaterals(
    generator: np.random.Generator, photo_size: tuple[int, int], crop_size: int, settings: ViewSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the regions of a pair inside a photo of `photo_size` (width, height), each 4 x 2 in pixels of the photo."""
    first, second = (random_quadrilateral(generator, crop_size, settings) for _ in range(2))
    if settings.turns and generator.random() < settings.turns:
        angle = generator.uniform(-np.pi, np.pi)
        second = second @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    second = second + settings.shift * crop_size * generator.choice([-1.0, 1.0], 2)
    low, high = np.minimum(first.min(0), second.min(0)), np.maximum(first.max(0), second.max(0))
    room = np.asarray(photo_size, np.float64) - 1.0
    scale = min(1.0, float((room / (high - low)).min()))
    offset = generator.uniform(0.0, 1.0, 2) * (room - scale * (high - low)) - scale * low
    return scale * first + offset, scale * second + offset


def crop_homography(quadrilateral: np.ndarray, crop_size: int) -> np.ndarray:
    """Return the homography from the pixels of a photo to those of the crop that shows a quadrilateral."""
    last = crop_size - 1.0
    return homography_of_corners(quadrilateral, np.array([[0, 0], [0, last], [last, last], [last, 0]]))


def cut(
    image: np.ndarray,
    homography: np.ndarray,
    crop_size: int,
    photo_size: tuple[int, int],
    field: np.ndarray | None = None,
) -> np.ndarray:
    """Cut a crop from an image.

    Args:
        image: the photo, or a copy of it at any resolution.
        homography: from pixels of the photo to pixels of the crop.
        crop_size: side of the crop in pixels.
        photo_size: width and height of the photo in pixels.
        field: displacements of a bent crop (`hndesc.training.bending.draw_field`), or None.
    """
    height, width = image.shape[:2]
    if (width, height) != photo_size:
        sx, sy = photo_size[0] / width, photo_size[1] / height
        to_photo = translation(-0.5, -0.5) @ np.diag([sx, sy, 1.0]) @ translation(0.5, 0.5)
        homography = homography @ to_photo
    if field is not None:
        places = warp_points(np.linalg.inv(homography), (pixels(crop_size) + field).reshape(-1, 2))
        maps = places.astype(np.float32).reshape(*field.shape)
        return cv2.remap(image, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.warpPerspective(
        image, homography, (crop_size, crop_size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def inside(points: np.ndarray, crop_size: int) -> np.ndarray:
    """Return the mask of the N x 2 points that lie within the outermost pixel centers of a crop."""
    return np.all((points >= 0) & (points <= crop_size - 1), axis=1)


def draw_pair(
    generator: np.random.Generator,
    photos: Sequence[np.ndarray],
    keypoints: np.ndarray,
    crop_size: int,
    max_keypoints: int,
    settings: PairSettings,
) -> Pair | None:
    """Draw a pair; redraw up to `settings.tries` times while it has no keypoints or its first crop is flat.

    Args:
        generator: random number generator.
        photos: the photo (H x W x 3, uint8, RGB) and the image of the same view from which the second crop is cut.
        keypoints: N x 2, pixels of the photo.
        crop_size: side of the crops in pixels.
        max_keypoints: maximum number of common keypoints; half as many unmatched keypoints are kept per crop.
        settings: difficulty of pairs.

    Returns:
        The pair (possibly with a flat crop), or None if no draw had a keypoint in both crops.
    """
    found = None
    size = (photos[0].shape[1], photos[0].shape[0])
    for _ in range(settings.tries):
        quadrilaterals = random_quadrilaterals(generator, size, crop_size, settings)
        homographies = [crop_homography(quadrilateral, crop_size) for quadrilateral in quadrilaterals]
        points = [warp_points(homography, keypoints) for homography in homographies]
        field = None
        if settings.bends and generator.random() < settings.bends:
            field = draw_field(generator, crop_size, settings.bend)
            points[1] = bend_points(points[1], field)
        common, *unmatched = _split_keypoints(generator, [inside(one, crop_size) for one in points], settings.unmatched)
        if not common.any():
            continue
        rows = _sample_rows(generator, common, max_keypoints)
        unmatched = [_sample_rows(generator, one, max_keypoints // 2) for one in unmatched]
        crops = [
            cut(photo, one, crop_size, size, bent)
            for photo, one, bent in zip(photos, homographies, (None, field), strict=True)
        ]
        found = Pair(
            *crops,
            *(one[rows].astype(np.float32) for one in points),
            *(one[mine].astype(np.float32) for one, mine in zip(points, unmatched, strict=True)),
        )
        if to_gray(found.anchor).std() >= settings.contrast:
            break
    return found


def _split_keypoints(
    generator: np.random.Generator, seen: Sequence[np.ndarray], hidden: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split the keypoints into those of both crops, those of the first only and those of the second only.

    Args:
        generator: random number generator.
        seen: for each crop, N booleans that state whether a keypoint lies in it.
        hidden: share of the keypoints that are hidden from the first crop; an equal share is hidden from the second.

    Returns:
        Three masks of N; the last two are all False if `hidden` is 0.
    """
    common = seen[0] & seen[1]
    if hidden == 0:
        return common, np.zeros_like(common), np.zeros_like(common)
    draw = generator.random(len(common))
    first, second = seen[0] & (draw >= hidden), seen[1] & (draw < 1 - hidden)
    return first & second, first & ~second, second & ~first


def _sample_rows(generator: np.random.Generator, mask: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the True entries of a mask; if there are more than `count`, a random subset of them."""
    rows = np.flatnonzero(mask)
    return np.sort(generator.choice(rows, count, replace=False)) if len(rows) > count else rows


def draw_crop(
    generator: np.random.Generator, photo: np.ndarray, keypoints: np.ndarray, crop_size: int, max_keypoints: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an upright crop around a keypoint: of five random crops, the one with the most keypoints.

    The photo must be at least as large as the crop.

    Returns:
        The crop (S x S x 3) and at most `max_keypoints` of its keypoints (N x 2 float32, pixels of the crop).
    """
    height, width = photo.shape[:2]
    centers = keypoints[generator.integers(len(keypoints), size=5)]
    limit = np.array([width, height]) - crop_size
    corners = np.clip(np.round(centers - (crop_size - 1) / 2), 0, limit)
    masks = [inside(keypoints - corner, crop_size) for corner in corners]
    best = int(np.argmax([mask.sum() for mask in masks]))
    rows = _sample_rows(generator, masks[best], max_keypoints)
    left, top = corners[best].astype(int)
    points = (keypoints[rows] - corners[best]).astype(np.float32)
    return photo[top : top + crop_size, left : left + crop_size], points
