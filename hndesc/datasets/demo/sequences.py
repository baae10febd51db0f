"""Sequences in the layout of HPatches: held-out images with viewpoint or illumination changes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hndesc.datasets.demo.photographs import HELD_OUT, load
from hndesc.datasets.demo.relighting import Light, generator, photograph, to_linear
from hndesc.datasets.views import GROWTH, mount_on_wall, view_homography, warp, write_homography
from hndesc.io.images import write_image


@dataclass(frozen=True)
class Viewpoint:
    """A viewpoint sequence: image 1 is a frontal view of the image, image 6 has the viewpoint given here.

    Attributes:
        image: name of the photograph.
        wall: photograph used as texture of the surrounding wall.
        tint: color of the wall.
        first: scale of image 1, below 1 if later images are closer.
        zoom: scale of image 6, at most 1, so that images are never upsampled.
        roll, tilt, pan: angles of image 6 in degrees.
        target: center of image 6, in fractions of the width and height of the image.
        size: (width, height) of images 2 to 6.
    """

    image: str
    wall: str
    tint: tuple[float, float, float]
    first: float
    zoom: float
    roll: float
    tilt: float
    pan: float
    target: tuple[float, float]
    size: tuple[int, int]


VIEWPOINTS = {
    "v_pagoda": Viewpoint("china", "brick", (1.3, 0.8, 0.6), 1.0, 0.85, -15, 25, 55, (0.47, 0.5), (640, 480)),
    "v_motorcycle": Viewpoint(
        "motorcycle_left", "brick", (0.9, 0.9, 0.9), 0.5, 0.95, 8, -30, 25, (0.6, 0.55), (480, 400)
    ),
    "v_astronaut": Viewpoint("astronaut", "moon", (1.2, 1.1, 0.8), 1.0, 0.55, 45, 25, -40, (0.5, 0.5), (420, 420)),
    "v_coffee": Viewpoint("coffee", "brick", (1.1, 1.0, 0.7), 1.0, 0.80, -36, -50, -15, (0.5, 0.5), (560, 420)),
}

# Degradation of image 6 of viewpoint sequences: defocus, noise, compression.
DEGRADATION = Light(blur=1.1, noise=0.06, quality=60)

# Illumination of image 6; images 2 to 5 are in between. The first sequence is from day to night.
ILLUMINATIONS = {
    "i_pagodanight": (
        "china",
        Light(
            exposure=0.006,
            tint=(0.6, 0.8, 1.5),
            lamps=4,
            lamp_power=0.18,
            saturation=0.7,
            blur=0.8,
            noise=0.045,
            quality=70,
        ),
    ),
    "i_astronaut": (
        "astronaut",
        Light(exposure=7.0, tint=(1.8, 0.7, 0.35), gradient=0.97, contrast=1.3, blur=0.8, noise=0.10, quality=25),
    ),
    "i_camera": ("camera", Light(exposure=0.4, gradient=0.8, shadow=0.95, blur=0.7, noise=0.05, quality=40)),
    "i_motorcycle": (
        "motorcycle_right",
        Light(exposure=0.06, tint=(1.3, 0.9, 0.6), gradient=0.7, shadow=0.6, noise=0.06, quality=60),
    ),
}


def make_sequences(output: Path, seed: int) -> None:
    """Write all sequences to `output`, each as a folder with `1.ppm` to `6.ppm` and `H_1_2` to `H_1_6`."""
    for name, viewpoint in VIEWPOINTS.items():
        _make_viewpoint(output / name, viewpoint, seed)
    for name, (image, light) in ILLUMINATIONS.items():
        _make_illumination(output / name, image, light, seed)


def _make_viewpoint(folder: Path, viewpoint: Viewpoint, seed: int) -> None:
    image = load(viewpoint.image, HELD_OUT)
    height, width = image.shape[:2]
    margin = max(height, width)
    canvas = mount_on_wall(image, load(viewpoint.wall, HELD_OUT), margin, viewpoint.tint)
    rng = generator(seed, f"sequences/{folder.name}")
    size = (round(width * viewpoint.first), round(height * viewpoint.first))
    middle = np.array([width - 1, height - 1]) / 2
    first = view_homography(tuple(middle + margin), size, viewpoint.first)
    write_image(folder / "1.ppm", photograph(warp(canvas, first, size), Light(), rng))
    for k, growth in GROWTH.items():
        jitter = rng.uniform(0.9, 1.1, 3)
        center = middle + growth * (np.array(viewpoint.target) * (width, height) - middle) + margin
        zoom = viewpoint.first ** (1 - growth) * viewpoint.zoom**growth
        angles = growth * jitter * (viewpoint.roll, viewpoint.tilt, viewpoint.pan)
        view = view_homography(tuple(center), viewpoint.size, zoom, *angles)
        light = replace(
            _interpolated(DEGRADATION, growth), exposure=rng.uniform(0.7, 1.3), contrast=rng.uniform(0.8, 1.2)
        )
        write_image(folder / f"{k}.ppm", photograph(warp(canvas, view, viewpoint.size), light, rng))
        write_homography(folder, k, view @ np.linalg.inv(first))


def _make_illumination(folder: Path, name: str, last: Light, seed: int) -> None:
    image = load(name, HELD_OUT)
    rng = generator(seed, f"sequences/{folder.name}")
    write_image(folder / "1.ppm", image)
    for k, growth in GROWTH.items():
        write_image(folder / f"{k}.ppm", photograph(to_linear(image), _interpolated(last, growth), rng))
        write_homography(folder, k, np.eye(3))


def _interpolated(last: Light, growth: float) -> Light:
    """Interpolate between the original illumination (0) and `last` (1), factors geometrically."""

    def factor(value: float) -> float:
        return value**growth

    red, green, blue = map(factor, last.tint)
    return Light(
        exposure=factor(last.exposure),
        tint=(red, green, blue),
        gradient=growth * last.gradient,
        shadow=growth * last.shadow,
        lamps=round(growth * last.lamps),
        lamp_power=last.lamp_power,
        mist=growth * last.mist,
        saturation=factor(last.saturation),
        contrast=factor(last.contrast),
        blur=growth * last.blur,
        noise=growth * last.noise,
        quality=None if last.quality is None else round(100 - growth * (100 - last.quality)),
    )
