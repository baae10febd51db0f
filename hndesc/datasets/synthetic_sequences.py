"""Sequences in the layout of HPatches, made of any photos: seen from other places, or taken under other conditions.

A photo hangs, flat, before another photo, and a pinhole camera takes both; what is known of the camera gives the
homographies. All six images are resampled, the reference too, and no two share a pixel grid.
"""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hndesc.datasets.conditions import Conditions, take_photo
from hndesc.datasets.views import GROWTH, hang, view_homography, warp, write_homography
from hndesc.errors import HndescError
from hndesc.geometry.homography import warp_points
from hndesc.io.images import find_images, image_size, read_image, resize_longest, write_image
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.runtime.seeds import generator

logger = logging.getLogger(__name__)

STEP = "make_sequences"
LONGEST = 1400  # larger photos are shrunk to this first
IMAGE = 640  # longest side of the images
LEAST = 400  # longest side of a reference that is made small because later images come closer
ENLARGED = 1.3  # a photo is enlarged by no more, unless LEAST asks for it
SMALLEST = 600  # photos with a shorter longest side make no sequence
_OVERLAP = 0.4
_TRIES = 50


@dataclass(frozen=True)
class View:
    """Bounds of the camera of image 6, each drawn with either sign: degrees, and log2 of the zoom.

    Attributes:
        roll, slant: least and most degrees of rotation in the image plane, and of tilt and pan together.
        zoom: least and most log2 of the factor on the photo's scale, signed.
    """

    roll: tuple[float, float] = (0, 10)
    slant: tuple[float, float] = (0, 15)
    zoom: tuple[float, float] = (-0.15, 0.15)


VIEWS = {
    "turn": View(roll=(40, 180)),
    "near": View(roll=(0, 20), zoom=(0.6, 1.32)),
    "far": View(roll=(0, 20), zoom=(-1.32, -0.6)),
    "slant": View(slant=(35, 58)),
    "mixed": View(roll=(15, 60), slant=(15, 40), zoom=(-0.8, 0.8)),
}
# What the camera of image 6 adds to a new viewpoint.
HARDSHIP = Conditions(stops=-0.5, shading=0.6, noise=0.05, defocus=1.0, tone=0.2, compression=40)

# The light, the camera or the file of image 6.
CONDITIONS = {
    "night": Conditions(-6.0, -0.8, -0.2, 0.6, lamps=0.25, noise=0.035, defocus=0.7, compression=25),
    "dusk": Conditions(-2.6, 0.8, -0.1, -0.8, shading=2.0, lamps=0.15, haze=0.15, noise=0.03, compression=25),
    "bright": Conditions(stops=2.2, shading=1.2, haze=0.2, tone=-0.3, bend=0.4, noise=0.02, compression=20),
    "dark": Conditions(stops=-3.2, shading=1.0, tone=0.5, bend=0.3, noise=0.03, compression=30),
    "shade": Conditions(stops=0.3, shading=2.5, shadow=0.93, bend=0.4, noise=0.02, compression=20),
    "warm": Conditions(-0.5, 1.2, -0.6, -1.8, shading=0.8, tone=0.3, bend=-0.6, noise=0.02, compression=20),
    "cold": Conditions(-0.5, -1.4, 0.3, 0.9, shading=0.8, tone=-0.3, bend=0.5, noise=0.02, compression=20),
    "haze": Conditions(stops=0.3, haze=0.75, tone=-0.4, bend=-0.3, shading=0.8, noise=0.02, compression=20),
    "noise": Conditions(stops=-1.0, noise=0.16, tone=0.2, compression=30),
    "blur": Conditions(stops=-0.3, defocus=2.5, motion=9.0, shading=0.6, noise=0.02, compression=20),
    "file": Conditions(stops=-0.6, defocus=0.8, tone=0.3, bend=0.3, shading=0.6, noise=0.03, compression=78),
}
# Characters of a photo's name in that of a folder: four bytes each at most, and a disk's names have 255.
_LONGEST = 50
# What every image has, the reference included.
EVERYDAY = Conditions(noise=0.012, compression=5)


def make_sequences(
    photos: str | os.PathLike,
    output: str | os.PathLike,
    *,
    viewpoint: int = 25,
    illumination: int = 33,
    seed: int = 0,
) -> None:
    """Write sequences below `output`: `v_<change>_<photo>` and `i_<change>_<photo>`, 1.ppm to 6.ppm and H_1_2 to H_1_6.

    The changes of `VIEWS` and of `CONDITIONS` take turns, and grow from image 2 to image 6. The same photos and seed
    give the same bytes, and a sequence does not depend on how many others there are.

    Args:
        photos: folder; those at least 600 pixels long are taken, in an order that hashes of their names tell, and
            again from the start where they are fewer than the sequences.
        output: folder, replaced when all is done.
        viewpoint: number of sequences with changes of viewpoint.
        illumination: number of sequences with changes of light, camera or file.
        seed: of all draws.

    Raises:
        HndescError: fewer than two photos that are large enough, or one that cannot be read; `output` overlaps with
            `photos`, or this step did not make it.
    """
    photos, output = Path(photos), Path(output)
    if min(viewpoint, illumination) < 0 or not viewpoint + illumination:
        raise HndescError(
            f"{viewpoint} and {illumination} sequences cannot be made; ask for at least one of either kind"
        )
    check_output_folder(output, STEP, [photos])
    names = _large_enough(photos)
    names.sort(key=lambda name: generator(seed, name).random())
    tasks = _plan("v", list(VIEWS), names, viewpoint) + _plan("i", list(CONDITIONS), names[::-1], illumination)
    with replace_folder(output, STEP, [photos]) as part:
        for folder, change, name, wall in tqdm(tasks, desc="sequences", unit="sequence", disable=None):
            scene = _Scene(photos / name, photos / wall)
            make = _make_viewpoint if folder.startswith("v_") else _make_illumination
            make(part / folder, scene, change, generator(seed, f"sequences/{folder}"))
    logger.info("%d sequences of %d photos in %s", len(tasks), len({task[2] for task in tasks}), output)


def _large_enough(photos: Path) -> list[str]:
    names = find_images(photos)
    large = [name for name in names if max(image_size(photos / name)) >= SMALLEST]
    if len(large) < 2:
        raise HndescError(
            f"{photos}: {len(large)} of {len(names)} photos are {SMALLEST} pixels long or longer; sequences need two"
        )
    return large


def _plan(kind: str, changes: list[str], names: Sequence[str], count: int) -> list[tuple[str, str, str, str]]:
    """Return folder, change, photo and the photo behind it of each sequence; no two have the same folder."""
    tasks, taken = [], set()
    for index in range(count):
        name, wall = names[index % len(names)], names[(index + 1) % len(names)]
        again = f"_{index // len(names) + 1}" if index >= len(names) else ""
        change = changes[index % len(changes)]
        slug = re.sub(r"\W+", "_", name.rsplit(".", 1)[0])[-_LONGEST:]
        folder, number = f"{kind}_{change}_{slug}{again}", 2
        while folder in taken:
            folder, number = f"{kind}_{change}_{slug}{again}_no{number}", number + 1
        taken.add(folder)
        tasks.append((folder, change, name, wall))
    return tasks


class _Scene:
    """A photo before another one, in linear light.

    Attributes:
        size: (width, height) of the photo in pixels of the picture.
        center: its middle in the picture.
    """

    def __init__(self, photo: Path, wall: Path) -> None:
        image = resize_longest(read_image(photo), LONGEST)[0]
        self.size = np.array(image.shape[1::-1])
        margin = int(max(self.size)) // 2
        self.center = (self.size - 1) / 2 + margin
        self.picture = hang(image, read_image(wall), margin, (1.0, 1.0, 1.0), frame=0)

    def take(
        self, view: np.ndarray, size: tuple[int, int], conditions: Conditions, rng: np.random.Generator
    ) -> np.ndarray:
        return take_photo(warp(self.picture, view, size), conditions, rng)


def _make_viewpoint(folder: Path, scene: _Scene, change: str, rng: np.random.Generator) -> None:
    bounds = VIEWS[change]
    zoom = 2 ** rng.uniform(*bounds.zoom)
    scale = min(1.0, IMAGE / max(scene.size))
    if zoom * scale > ENLARGED:
        scale = min(scale, max(ENLARGED / zoom, LEAST / max(scene.size)))
    size = _rounded(scene.size * scale)
    last = _rounded(scene.size * min(1.0, IMAGE / max(scene.size)))
    first = _held(scene, size, scale, rng, degrees=3.0)
    _write_reference(folder, scene, first, size, rng)
    # Redrawn until enough of the photo is seen by both.
    for _ in range(_TRIES):
        roll = _signed(bounds.roll, rng)
        slant, direction = rng.uniform(*bounds.slant), rng.uniform(0, 2 * np.pi)
        angles = np.array([roll, slant * np.cos(direction), slant * np.sin(direction)])
        shift = rng.uniform(-0.12, 0.12, 2) * scene.size
        views = {k: _view(scene, last, scale * zoom**g, g * angles, g * shift) for k, g in GROWTH.items()}
        if _overlap(views[6] @ np.linalg.inv(first), size, last) >= _OVERLAP:
            break
    for k, growth in GROWTH.items():
        conditions = _varied(HARDSHIP.scaled(growth), rng)
        write_image(folder / f"{k}.ppm", scene.take(views[k], last, conditions, rng))
        write_homography(folder, k, views[k] @ np.linalg.inv(first))


def _make_illumination(folder: Path, scene: _Scene, change: str, rng: np.random.Generator) -> None:
    scale = min(1.0, IMAGE / max(scene.size)) * rng.uniform(0.9, 1.0)
    size = _rounded(scene.size * scale)
    first = _held(scene, size, scale, rng, degrees=1.0)
    _write_reference(folder, scene, first, size, rng)
    last = _varied(CONDITIONS[change], rng)
    for k, growth in GROWTH.items():
        conditions = last.scaled(growth)
        conditions = replace(conditions, noise=max(conditions.noise, EVERYDAY.noise))
        view = _held(scene, size, scale, rng, degrees=1.0)
        write_image(folder / f"{k}.ppm", scene.take(view, size, conditions, rng))
        write_homography(folder, k, view @ np.linalg.inv(first))


def _write_reference(
    folder: Path, scene: _Scene, view: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> None:
    write_image(folder / "1.ppm", scene.take(view, size, EVERYDAY, rng))


def _held(scene: _Scene, size: tuple[int, int], scale: float, rng: np.random.Generator, degrees: float) -> np.ndarray:
    """Return the view of a camera that is held by hand before the photo: a little off in every respect."""
    shift = rng.uniform(-0.005, 0.005, 2) * scene.size
    return _view(scene, size, scale * rng.uniform(0.98, 1.02), rng.uniform(-degrees, degrees, 3), shift)


def _view(scene: _Scene, size: tuple[int, int], scale: float, angles: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return view_homography(tuple(scene.center + shift), size, scale, *angles)


def _overlap(homography: np.ndarray, first: tuple[int, int], last: tuple[int, int]) -> float:
    """Return the larger of two shares: of the first image that the last one sees, and the other way round."""
    shares = []
    for matrix, source, target in ((homography, first, last), (np.linalg.inv(homography), last, first)):
        grid = np.stack(np.meshgrid(*(np.linspace(0, side - 1, 30) for side in source)), axis=-1).reshape(-1, 2)
        mapped = warp_points(matrix, grid)
        shares.append(((mapped >= 0) & (mapped <= np.array(target) - 1)).all(axis=1).mean())
    return max(shares)


def _signed(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return rng.uniform(*bounds) * rng.choice([-1, 1])


def _varied(conditions: Conditions, rng: np.random.Generator) -> Conditions:
    """Draw conditions like those given: each within a quarter of its value."""
    values = {name: value * rng.uniform(0.75, 1.25) for name, value in vars(conditions).items()}
    values["shadow"], values["haze"] = min(values["shadow"], 0.97), min(values["haze"], 0.9)
    return Conditions(**values)


def _rounded(size: np.ndarray) -> tuple[int, int]:
    return round(size[0]), round(size[1])
