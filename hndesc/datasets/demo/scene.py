"""A posed scene in the layout of Aachen Day-Night v1.1: a courtyard of façades and kiosks with held-out photographs.

World coordinates are meters, x to the right, y into the courtyard, z up.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from hndesc.datasets.demo import aachen
from hndesc.datasets.demo.photographs import HELD_OUT, load
from hndesc.datasets.demo.relighting import WARM, Light, generator, photograph, to_linear
from hndesc.datasets.demo.rendering import Camera, Panel, render, visible
from hndesc.datasets.views import rotation
from hndesc.io.images import resize_longest, write_image

# The walls, from left to right as seen from inside.
OUTLINE = ((-9.0, 3.0), (-9.0, 11.5), (-3.0, 13.0), (-3.0, 15.0), (3.0, 15.0), (3.0, 12.5), (9.0, 11.0), (9.0, 2.0))
HEIGHT = 5.0
TILE = 2.6
POSTER_LONGEST = 800
# Photographs on the walls: wall, photograph, center (meters along the wall, height), width, distance from the wall.
POSTERS = (
    (0, "camera", (6.3, 2.4), 3.2, 0.10),
    (0, "page", (2.6, 2.2), 3.4, 0.05),
    (1, "china", (3.1, 2.4), 5.2, 0.25),
    (2, "moon", (1.0, 2.0), 1.5, 0.05),
    (3, "motorcycle_left", (3.0, 2.3), 5.4, 0.15),
    (4, "cell", (1.2, 2.2), 1.6, 0.05),
    (5, "astronaut", (3.0, 2.5), 4.2, 0.20),
    (6, "coffee", (3.0, 2.2), 4.0, 0.10),
    (6, "retina", (6.8, 2.4), 2.8, 0.05),
)
# Kiosks: center, (width, depth, height), rotation in degrees, photograph on the two front faces.
KIOSKS = (
    ((-2.6, 9.2), (1.8, 1.2, 2.2), 25.0, "text"),
    ((3.4, 8.6), (1.4, 1.4, 1.8), -30.0, "clock"),
    ((0.4, 11.5), (1.0, 1.0, 1.4), 10.0, "moon"),
)
SUN = np.array([0.35, -0.75, 0.55])
LAMPS = ((-7.0, 9.0, 3.6), (-1.2, 12.8, 3.8), (6.5, 9.0, 3.6), (0.5, 7.0, 3.4), (-4.5, 5.0, 3.4))
DAY_SKY = np.array([0.38, 0.52, 0.75], np.float32)
NIGHT_SKY = np.array([0.0015, 0.002, 0.004], np.float32)
DATABASE, DAY, NIGHT = 20, 8, 4
NEIGHBORS, SHORTLIST = 8, 10


def make_scene(output: Path, seed: int) -> None:
    """Write the scene: images, intrinsics, poses, pairs, query lists and ground truth."""
    plain = courtyard(seed)
    cameras = make_cameras(seed)
    by_day, by_night = [_lit(panel, _daylight) for panel in plain], [_lit(panel, _lamplight) for panel in plain]
    for name, camera in cameras.items():
        rng = generator(seed, f"scene/{name}")
        if name.startswith("query/night"):
            image = _photograph_night(by_night, camera, rng)
        else:
            image = photograph(render(by_day, camera, DAY_SKY), _day_light(name, rng), rng)
        write_image(output / "images" / "images_upright" / name, image, quality=92)
    aachen.write(output, cameras, _pairs(plain, cameras))


def _day_light(name: str, rng: np.random.Generator) -> Light:
    if name.startswith("db/"):
        return Light(exposure=rng.uniform(0.9, 1.1), noise=0.015)
    tint = (rng.uniform(0.85, 1.15), 1.0, rng.uniform(0.85, 1.15))
    return Light(exposure=rng.uniform(0.5, 1.5), tint=tint, contrast=rng.uniform(0.85, 1.15), noise=0.03, quality=80)


def _photograph_night(panels: list[Panel], camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Simulate a night image: dark, noisy, with a glow around visible lamps."""
    linear = render(panels, camera, NIGHT_SKY)
    lamps = np.array(LAMPS)
    pixels, depths = camera.project(lamps)
    y, x = np.mgrid[: linear.shape[0], : linear.shape[1]].astype(np.float32)
    for (u, v), depth, seen in zip(pixels, depths, visible(lamps, panels, camera), strict=True):
        if seen:
            squared = ((x - u) ** 2 + (y - v) ** 2) * np.float32(depth / (0.25 * camera.focal)) ** 2
            linear = linear + (np.exp(-squared * 4) + 0.02 / (1 + squared))[..., None] * (0.3 + 0.7 * WARM)
    light = Light(exposure=rng.uniform(0.7, 1.0), tint=(1.05, 1.0, 0.9), blur=1.0, noise=0.08, quality=60)
    return photograph(linear, light, rng)


def courtyard(seed: int) -> list[Panel]:
    """Return the panels of the scene, not yet lit."""
    rng = generator(seed, "scene/courtyard")
    panels = []
    for index, (start, end) in enumerate(pairwise(OUTLINE)):
        panels += _wall(np.array(start), np.array(end), rng)
        panels += [_poster(np.array(start), np.array(end), *poster[1:]) for poster in POSTERS if poster[0] == index]
    for x in np.arange(-9, 9, 3.0):
        for y in np.arange(-3, 15, 3.0):
            origin, right, down = np.array([x, y + 3, 0]), np.array([3.0, 0, 0]), np.array([0, -3.0, 0])
            panels.append(Panel(origin, right, down, _bricks(rng, (0.9, 0.85, 0.8))))
    for kiosk in KIOSKS:
        panels += _kiosk(*kiosk, rng)
    return panels


def _upright(start: np.ndarray, end: np.ndarray, low: float, high: float, texture: np.ndarray) -> Panel:
    """Return a vertical panel from `start` to `end` (x, y), left to right as seen by the viewer."""
    right = np.array([*(end - start), 0.0])
    return Panel(np.array([*start, high]), right, np.array([0.0, 0.0, low - high]), texture)


def _wall(start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> list[Panel]:
    columns = int(np.ceil(np.linalg.norm(end - start) / TILE))
    stops = np.linspace(start, end, columns + 1)
    tint = rng.uniform((1.0, 0.6, 0.5), (1.5, 0.9, 0.8))
    levels = ((0.0, HEIGHT / 2), (HEIGHT / 2, HEIGHT))
    return [
        _upright(left, right, low, high, _bricks(rng, tint)) for left, right in pairwise(stops) for low, high in levels
    ]


def _source(name: str) -> np.ndarray:
    return to_linear(resize_longest(load(name, HELD_OUT), POSTER_LONGEST)[0])


def _poster(start: np.ndarray, end: np.ndarray, name: str, center: tuple, width: float, relief: float) -> Panel:
    source = _source(name)
    along = (end - start) / np.linalg.norm(end - start)
    # Towards the viewer: the direction of the wall rotated clockwise.
    outward = np.array([along[1], -along[0]])
    left = start + along * (center[0] - width / 2) + outward * relief
    height = width * source.shape[0] / source.shape[1]
    low, high = center[1] - height / 2, center[1] + height / 2
    return _upright(left, left + along * width, low, high, source)


def _kiosk(center: tuple, size: tuple, turn: float, name: str, rng: np.random.Generator) -> list[Panel]:
    width, depth, height = size
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    corners = np.array([[-width, -depth], [width, -depth], [width, depth], [-width, depth]]) / 2
    corners = corners @ np.array([[c, s], [-s, c]]) + center
    source = _source(name)
    faces = []
    for index in range(4):
        left, right = corners[index], corners[(index + 1) % 4]
        faces.append(_upright(left, right, 0.0, height, _bricks(rng, rng.uniform(0.5, 1.4, 3))))
        along = right - left
        inset = np.array([along[1], -along[0]]) / np.linalg.norm(along) * 0.04
        if index < 2:
            high = 0.9 * height
            low = high - 0.8 * np.linalg.norm(along) * source.shape[0] / source.shape[1]
            faces.append(_upright(left + 0.1 * along + inset, right - 0.1 * along + inset, low, high, source))
    lid = Panel(
        np.array([*corners[3], height]),
        np.array([*(corners[2] - corners[3]), 0.0]),
        np.array([*(corners[0] - corners[3]), 0.0]),
        _bricks(rng, (1, 1, 1)),
    )
    return [*faces, lid]


def _bricks(rng: np.random.Generator, tint: np.ndarray | tuple) -> np.ndarray:
    """Return a tinted brick texture with random dirt that makes each panel unique."""
    bricks = np.rot90(load("brick", HELD_OUT))
    if rng.integers(2):
        bricks = bricks[:, ::-1]
    bricks = cv2.resize(to_linear(np.ascontiguousarray(bricks)), (384, 384), interpolation=cv2.INTER_AREA)
    dirt = np.zeros(bricks.shape[:2], np.float32)
    for cells in (6, 24, 96):
        dirt += cv2.resize(
            rng.standard_normal((cells, cells), dtype=np.float32), dirt.shape, interpolation=cv2.INTER_CUBIC
        )
    return bricks * np.exp(0.25 * dirt)[..., None] * np.array(tint, np.float32)


def _lit(panel: Panel, light: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Panel:
    """Return a panel with its texture multiplied by `light(points, outward normal)`."""
    steps = (np.arange(24) + 0.5) / 24
    shares = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    field = light(panel.at(shares), -panel.inward).reshape(24, 24, 3).astype(np.float32)
    return replace(panel, texture=panel.texture * cv2.resize(field, panel.texture.shape[1::-1]))


def _daylight(points: np.ndarray, outward: np.ndarray) -> np.ndarray:
    sun = max(0.0, outward @ SUN / np.linalg.norm(SUN))
    return np.full((len(points), 3), 0.5 + 0.6 * sun)


def _lamplight(points: np.ndarray, outward: np.ndarray) -> np.ndarray:
    light = np.tile([0.004, 0.005, 0.008], (len(points), 1))
    for lamp in LAMPS:
        rays = np.array(lamp) - points
        squared = (rays**2).sum(axis=1)
        cosine = np.maximum(rays @ outward, 0) / np.sqrt(squared)
        light += (0.7 * cosine / np.maximum(squared, 0.3))[:, None] * WARM
    return light


def make_cameras(seed: int) -> dict[str, Camera]:
    """Return the camera of each image: database images along a path through the courtyard, queries in between."""
    cameras = {}
    for index in range(DATABASE):
        name = f"db/{index + 1}.jpg"
        size = (480, 640) if index % 5 == 4 else (640, 480)
        cameras[name] = _look_across(generator(seed, f"camera/{name}"), index / (DATABASE - 1), size, 560.0 + index)
    # File names differ between day and night, since lists of poses contain them without folders.
    for time, count, focal in (("day", DAY, 600.0), ("night", NIGHT, 520.0)):
        for index in range(count):
            name = f"query/{time}/cam/{time}_{index + 1:02d}.jpg"
            cameras[name] = _look_across(generator(seed, f"camera/{name}"), (index + 0.5) / count, (640, 480), focal)
    return cameras


def _look_across(rng: np.random.Generator, share: float, size: tuple[int, int], focal: float) -> Camera:
    """Return a camera at a fraction of the path from left to right, looking across the courtyard."""
    x = -5 + 10 * share + rng.uniform(-0.8, 0.8)
    center = np.array([x, rng.uniform(-1.0, 4.0), rng.uniform(1.4, 2.4)])
    target = np.array([-0.9 * x + rng.uniform(-4, 4), rng.uniform(11, 14), rng.uniform(1.8, 2.6)])
    forward = (target - center) / np.linalg.norm(target - center)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    R = rotation(rng.uniform(-3, 3), 0, 0) @ np.stack([right, np.cross(forward, right), forward])
    return Camera(size, focal, R, -R @ center)


def _pairs(panels: list[Panel], cameras: dict[str, Camera]) -> list[tuple[str, str]]:
    """Pair each image with the database images that share most visible points."""
    points = np.concatenate([panel.at(_grid(panel)) for panel in panels])
    sees = {name: visible(points, panels, camera) for name, camera in cameras.items()}
    database = [name for name in cameras if name.startswith("db/")]
    pairs: dict[tuple[str, str], None] = {}
    for name in cameras:
        shared = {other: int((sees[name] & sees[other]).sum()) for other in database if other != name}
        ranking = sorted((other for other in shared if shared[other]), key=lambda other: -shared[other])
        for other in ranking[: NEIGHBORS if name in database else SHORTLIST]:
            if (other, name) not in pairs:
                pairs[name, other] = None
    return list(pairs)


def _grid(panel: Panel) -> np.ndarray:
    """Return a grid of points on a panel, about 0.6 m apart, as fractions of its sides."""
    columns, rows = (max(1, round(np.linalg.norm(side) / 0.6)) for side in (panel.right, panel.down))
    x, y = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
