"""Two crops of one photo, each through its own random homography, and the keypoints that they see.

A crop is the picture of a quadrilateral of the photo: a square, zoomed, with two opposite sides scaled (perspective),
rotated. Both quadrilaterals of a pair lie wholly inside the photo, at a place drawn from all where they fit. In a
photo too small for them both are shrunk by one factor, as though the photo had been enlarged until they fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hndesc.geometry.homography import homography_of_corners, translation, warp_points
from hndesc.io.images import to_gray
from hndesc.training.settings import PairSettings


@dataclass(frozen=True)
class Pair:
    """Two crops and their keypoints.

    Attributes:
        anchor, positive: S x S x 3 uint8, RGB.
        anchor_points, positive_points: N x 2 float32, pixels of the crops, row by row the same keypoints.
        anchor_unmatched, positive_unmatched: L x 2 float32 each, keypoints of one crop that the other lacks;
            none where the settings hide none.
    """

    anchor: np.ndarray
    positive: np.ndarray
    anchor_points: np.ndarray
    positive_points: np.ndarray
    anchor_unmatched: np.ndarray
    positive_unmatched: np.ndarray


def scaled_difficulty(settings: PairSettings, hardness: float) -> PairSettings:
    """Return the difficulty of pairs whose zoom, rotation and perspective are `hardness` (0 to 1) times as strong."""

    def factor(value: float) -> float:
        return 1 + hardness * (value - 1)

    easier = {
        "zoom": factor(settings.zoom),
        "zoom_max": factor(settings.zoom_max),
        "rotation": hardness * settings.rotation,
        "perspective": factor(settings.perspective),
    }
    return settings.model_copy(update=easier)


def random_quadrilateral(generator: np.random.Generator, crop_size: int, settings: PairSettings) -> np.ndarray:
    """Draw the region of a photo that fills a crop, around the origin.

    Returns:
        4 x 2: the places of the crop's corners (upper left, lower left, lower right, upper right), in pixels.
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
    generator: np.random.Generator, photo_size: tuple[int, int], crop_size: int, settings: PairSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the regions of a pair inside a photo of `photo_size` (width, height), each 4 x 2 in its pixels."""
    first, second = (random_quadrilateral(generator, crop_size, settings) for _ in range(2))
    second = second + settings.shift * crop_size * generator.choice([-1.0, 1.0], 2)
    low, high = np.minimum(first.min(0), second.min(0)), np.maximum(first.max(0), second.max(0))
    room = np.asarray(photo_size, np.float64) - 1.0
    shrink = min(1.0, float((room / (high - low)).min()))
    place = generator.uniform(0.0, 1.0, 2) * (room - shrink * (high - low)) - shrink * low
    return shrink * first + place, shrink * second + place


def crop_homography(quadrilateral: np.ndarray, crop_size: int) -> np.ndarray:
    """Return the homography from a photo's pixels to those of the crop that a quadrilateral fills."""
    last = crop_size - 1.0
    return homography_of_corners(quadrilateral, np.array([[0, 0], [0, last], [last, last], [last, 0]]))


def cut(image: np.ndarray, homography: np.ndarray, crop_size: int, photo_size: tuple[int, int]) -> np.ndarray:
    """Cut the crop of `homography`, which is given in pixels of a photo of `photo_size` (width, height).

    `image` is that photo or a smaller or larger copy of it.
    """
    height, width = image.shape[:2]
    if (width, height) != photo_size:
        sx, sy = photo_size[0] / width, photo_size[1] / height
        to_photo = translation(-0.5, -0.5) @ np.diag([sx, sy, 1.0]) @ translation(0.5, 0.5)
        homography = homography @ to_photo
    return cv2.warpPerspective(
        image, homography, (crop_size, crop_size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def inside(points: np.ndarray, crop_size: int) -> np.ndarray:
    """Return the mask of the N x 2 points within a crop's outermost pixel centers."""
    return np.all((points >= 0) & (points <= crop_size - 1), axis=1)


def draw_pair(
    generator: np.random.Generator,
    photos: Sequence[np.ndarray],
    keypoints: np.ndarray,
    crop_size: int,
    max_keypoints: int,
    settings: PairSettings,
) -> Pair | None:
    """Draw a pair; again, up to `settings.tries` times, while it is without keypoints or its first crop is flat.

    Args:
        generator: source of everything random.
        photos: the photo (H x W x 3, uint8, RGB) and the picture of the same view that the second crop is cut from.
        keypoints: N x 2, pixels of the photo.
        crop_size: side of the crops in pixels.
        max_keypoints: common keypoints that are kept at most; of the unmatched ones half as many a crop.
        settings: the difficulty of pairs.

    Returns:
        The pair, flat if it must be, or None when no draw had a keypoint in both crops.
    """
    found = None
    size = (photos[0].shape[1], photos[0].shape[0])
    for _ in range(settings.tries):
        quadrilaterals = random_quadrilaterals(generator, size, crop_size, settings)
        homographies = [crop_homography(quadrilateral, crop_size) for quadrilateral in quadrilaterals]
        points = [warp_points(homography, keypoints) for homography in homographies]
        common, *unmatched = _part(generator, [inside(one, crop_size) for one in points], settings.unmatched)
        if not common.any():
            continue
        rows = _at_most(generator, common, max_keypoints)
        unmatched = [_at_most(generator, one, max_keypoints // 2) for one in unmatched]
        crops = [cut(photo, one, crop_size, size) for photo, one in zip(photos, homographies, strict=True)]
        found = Pair(
            *crops,
            *(one[rows].astype(np.float32) for one in points),
            *(one[mine].astype(np.float32) for one, mine in zip(points, unmatched, strict=True)),
        )
        if to_gray(found.anchor).std() >= settings.contrast:
            break
    return found


def _part(
    generator: np.random.Generator, seen: Sequence[np.ndarray], hidden: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Part the keypoints into those that both crops have and those that only the first or only the second has.

    Args:
        generator: draws which are hidden.
        seen: N booleans for each crop, whether a keypoint lies in it.
        hidden: share of the keypoints that the first crop lacks, and as large a share that the second lacks.

    Returns:
        Three masks of N; the last two are empty when nothing is to be hidden.
    """
    common = seen[0] & seen[1]
    if hidden == 0:
        return common, np.zeros_like(common), np.zeros_like(common)
    fate = generator.random(len(common))
    first, second = seen[0] & (fate >= hidden), seen[1] & (fate < 1 - hidden)
    return first & second, first & ~second, second & ~first


def _at_most(generator: np.random.Generator, mask: np.ndarray, count: int) -> np.ndarray:
    """Return the rows of a mask, `count` drawn ones where there are more."""
    rows = np.flatnonzero(mask)
    return np.sort(generator.choice(rows, count, replace=False)) if len(rows) > count else rows


def draw_crop(
    generator: np.random.Generator, photo: np.ndarray, keypoints: np.ndarray, crop_size: int, max_keypoints: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an upright crop of a photo at least as large, around a keypoint: of five, the one with most keypoints.

    Returns:
        The crop (S x S x 3) and its keypoints (N x 2 float32, pixels of the crop), at most `max_keypoints`.
    """
    height, width = photo.shape[:2]
    centers = keypoints[generator.integers(len(keypoints), size=5)]
    limit = np.array([width, height]) - crop_size
    corners = np.clip(np.round(centers - (crop_size - 1) / 2), 0, limit)
    masks = [inside(keypoints - corner, crop_size) for corner in corners]
    best = int(np.argmax([mask.sum() for mask in masks]))
    rows = _at_most(generator, masks[best], max_keypoints)
    left, top = corners[best].astype(int)
    points = (keypoints[rows] - corners[best]).astype(np.float32)
    return photo[top : top + crop_size, left : left + crop_size], points
