"""Synthetic sequences in the layout of HPatches, made of any photos, with viewpoint or illumination changes.

A photo is placed in front of another one and viewed by a simulated pinhole camera, whose parameters determine the
homographies. All six images are resampled, including the reference, and no two share a pixel grid.
"""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hndesc.datasets.conditions import Conditions, simulate_image
from hndesc.datasets.views import GROWTH, mount_on_wall, view_homography, warp, write_homography
from hndesc.errors import HndescError, counted
from hndesc.geometry.homography import warp_points
from hndesc.io.images import find_images, image_size, read_image, resize_longest, write_image
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.runtime.seeds import generator

logger = logging.getLogger(__name__)

STEP = "make_sequences"
MAX_LENGTH = 1400  # maximum length of a photo, to which larger ones are downsized
IMAGE = 640  # longest side of the images
MIN_REFERENCE = 400  # minimum length of a reference that is downsized because later images are closer
MAX_SCALE = 1.3  # maximum upsampling of a photo, unless MIN_REFERENCE requires more
MIN_LENGTH = 600  # minimum length of a photo
_OVERLAP = 0.4
_TRIES = 50


@dataclass(frozen=True)
class View:
    """Bounds of the camera of image 6.

    Attributes:
        roll, slant: minimum and maximum of the rotation in the image plane (with random sign), and of tilt and pan
            combined, in degrees.
        zoom: minimum and maximum of log2 of the factor on the scale of the photo.
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
# Degradation of image 6 of viewpoint sequences.
DEGRADATION = Conditions(stops=-0.5, shading=0.6, noise=0.05, defocus=1.0, tone=0.2, compression=40)

# Illumination, camera and compression of image 6.
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
# Maximum characters of the name of a photo in that of a folder, of at most four bytes each; the limit is 255 bytes.
_LONGEST = 50
# Conditions of every image, including the reference.
BASELINE_CONDITIONS = Conditions(noise=0.012, compression=5)


def make_sequences(
    photos: str | os.PathLike,
    output: str | os.PathLike,
    *,
    viewpoint: int = 25,
    illumination: int = 33,
    seed: int = 0,
) -> None:
    """Write sequences `v_<change>_<photo>` and `i_<change>_<photo>` to `output`: 1.ppm to 6.ppm and H_1_2 to H_1_6.

    The changes of `VIEWS` and `CONDITIONS` alternate and increase from image 2 to image 6. The same photos and seed
    give the same bytes, and a sequence does not depend on the number of sequences.

    Args:
        photos: folder of photos; those at least 600 pixels long are used in the order of hashes of their names, several
            times if there are fewer photos than sequences.
        output: folder to write, which is replaced on success.
        viewpoint: number of sequences with viewpoint changes.
        illumination: number of sequences with changes of illumination, camera or compression.
        seed: seed of all random numbers.

    Raises:
        HndescError: fewer than two photos are large enough, a photo is unreadable, or `output` overlaps with `photos`
            or was not made by this step.
    """
    photos, output = Path(photos), Path(output)
    if min(viewpoint, illumination) < 0 or not viewpoint + illumination:
        raise HndescError(
            f"{viewpoint} and {illumination} sequences are impossible; set at least one of the two to 1 or more"
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
    logger.info(
        "%s of %s in %s", counted(len(tasks), "sequence"), counted(len({task[2] for task in tasks}), "photo"), output
    )


def _large_enough(photos: Path) -> list[str]:
    names = find_images(photos)
    large = [name for name in names if max(image_size(photos / name)) >= MIN_LENGTH]
    if len(large) < 2:
        raise HndescError(
            f"{photos}: only {len(large)} of {len(names)} photos are {MIN_LENGTH} pixels long; sequences need two"
        )
    return large


def _plan(kind: str, changes: list[str], names: Sequence[str], count: int) -> list[tuple[str, str, str, str]]:
    """Return folder, change, photo and background photo of each sequence; folders are unique."""
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
    """A photo in front of another one, in linear light.

    Attributes:
        size: (width, height) of the photo in pixels of the canvas.
        center: center of the photo in the canvas.
    """

    def __init__(self, photo: Path, wall: Path) -> None:
        image = resize_longest(read_image(photo), MAX_LENGTH)[0]
        self.size = np.array(image.shape[1::-1])
        margin = int(max(self.size)) // 2
        self.center = (self.size - 1) / 2 + margin
        self.canvas = mount_on_wall(image, read_image(wall), margin, (1.0, 1.0, 1.0), frame=0)

    def take(
        self, view: np.ndarray, size: tuple[int, int], conditions: Conditions, rng: np.random.Generator
    ) -> np.ndarray:
        return simulate_image(warp(self.canvas, view, size), conditions, rng)


def _make_viewpoint(folder: Path, scene: _Scene, change: str, rng: np.random.Generator) -> None:
    bounds = VIEWS[change]
    zoom = 2 ** rng.uniform(*bounds.zoom)
    scale = min(1.0, IMAGE / max(scene.size))
    if zoom * scale > MAX_SCALE:
        scale = min(scale, max(MAX_SCALE / zoom, MIN_REFERENCE / max(scene.size)))
    size = _rounded(scene.size * scale)
    last = _rounded(scene.size * min(1.0, IMAGE / max(scene.size)))
    first = _handheld_view(scene, size, scale, rng, degrees=3.0)
    _write_reference(folder, scene, first, size, rng)
    # Redrawn until the overlap of the images is large enough.
    for _ in range(_TRIES):
        roll = _random_sign(bounds.roll, rng)
        slant, direction = rng.uniform(*bounds.slant), rng.uniform(0, 2 * np.pi)
        angles = np.array([roll, slant * np.cos(direction), slant * np.sin(direction)])
        shift = rng.uniform(-0.12, 0.12, 2) * scene.size
        views = {k: _view(scene, last, scale * zoom**g, g * angles, g * shift) for k, g in GROWTH.items()}
        if _overlap(views[6] @ np.linalg.inv(first), size, last) >= _OVERLAP:
            break
    for k, growth in GROWTH.items():
        conditions = _perturbed(DEGRADATION.scaled(growth), rng)
        write_image(folder / f"{k}.ppm", scene.take(views[k], last, conditions, rng))
        write_homography(folder, k, views[k] @ np.linalg.inv(first))


def _make_illumination(folder: Path, scene: _Scene, change: str, rng: np.random.Generator) -> None:
    scale = min(1.0, IMAGE / max(scene.size)) * rng.uniform(0.9, 1.0)
    size = _rounded(scene.size * scale)
    first = _handheld_view(scene, size, scale, rng, degrees=1.0)
    _write_reference(folder, scene, first, size, rng)
    last = _perturbed(CONDITIONS[change], rng)
    for k, growth in GROWTH.items():
        conditions = last.scaled(growth)
        conditions = replace(conditions, noise=max(conditions.noise, BASELINE_CONDITIONS.noise))
        view = _handheld_view(scene, size, scale, rng, degrees=1.0)
        write_image(folder / f"{k}.ppm", scene.take(view, size, conditions, rng))
        write_homography(folder, k, view @ np.linalg.inv(first))


def _write_reference(
    folder: Path, scene: _Scene, view: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> None:
    write_image(folder / "1.ppm", scene.take(view, size, BASELINE_CONDITIONS, rng))


def _handheld_view(
    scene: _Scene, size: tuple[int, int], scale: float, rng: np.random.Generator, degrees: float
) -> np.ndarray:
    """Return the frontal view of a handheld camera, with small random deviations."""
    shift = rng.uniform(-0.005, 0.005, 2) * scene.size
    return _view(scene, size, scale * rng.uniform(0.98, 1.02), rng.uniform(-degrees, degrees, 3), shift)


def _view(scene: _Scene, size: tuple[int, int], scale: float, angles: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return view_homography(tuple(scene.center + shift), size, scale, *angles)


def _overlap(homography: np.ndarray, first: tuple[int, int], last: tuple[int, int]) -> float:
    """Return the overlap of two images: the larger share of one that is visible in the other."""
    shares = []
    for matrix, source, target in ((homography, first, last), (np.linalg.inv(homography), last, first)):
        grid = np.stack(np.meshgrid(*(np.linspace(0, side - 1, 30) for side in source)), axis=-1).reshape(-1, 2)
        mapped = warp_points(matrix, grid)
        shares.append(((mapped >= 0) & (mapped <= np.array(target) - 1)).all(axis=1).mean())
    return max(shares)


def _random_sign(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return rng.uniform(*bounds) * rng.choice([-1, 1])


def _perturbed(conditions: Conditions, rng: np.random.Generator) -> Conditions:
    """Return conditions with each value perturbed by up to a quarter."""
    values = {name: value * rng.uniform(0.75, 1.25) for name, value in vars(conditions).items()}
    values["shadow"], values["haze"] = min(values["shadow"], 0.97), min(values["haze"], 0.9)
    return Conditions(**values)


def _rounded(size: np.ndarray) -> tuple[int, int]:
    return round(size[0]), round(size[1])
