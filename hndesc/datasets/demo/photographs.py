"""The photographs of the demo data, with their origin and use.

All of them are part of the wheels of scikit-image, scikit-learn and matplotlib; nothing is downloaded. Training photos
and styles are made only of TRAINING sources, benchmarks (sequences, retrieval, scene) only of HELD_OUT sources.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hndesc.datasets.demo.relighting import Light, generator, photograph, to_linear
from hndesc.errors import HndescError, ImageError
from hndesc.io.images import read_image, resize_longest, write_image

TRAINING, HELD_OUT = "training", "held out"
SKIMAGE, SKLEARN, MATPLOTLIB = "scikit-image", "scikit-learn", "matplotlib"
_FOLDERS = {
    SKIMAGE: ("skimage", "data"),
    SKLEARN: ("sklearn", "datasets/images"),
    MATPLOTLIB: ("matplotlib", "mpl-data/sample_data"),
}


@dataclass(frozen=True)
class Source:
    """A photograph in a Python package: file, use, content, and license as far as known."""

    package: str
    file: str
    use: str
    shows: str
    license: str


# Both photos of the motorcycle show the same scene, so both are held out.
SOURCES = {
    "hopper": Source(MATPLOTLIB, "grace_hopper.jpg", TRAINING, "Grace Hopper", "US Navy, public domain"),
    "rocket": Source(SKIMAGE, "rocket.jpg", TRAINING, "Falcon 9 at dusk", "SpaceX, public domain"),
    "flower": Source(SKLEARN, "flower.jpg", TRAINING, "a dahlia", "vultilion on Flickr, CC BY 2.0"),
    "chelsea": Source(SKIMAGE, "chelsea.png", TRAINING, "a cat", "Stefan van der Walt, CC0"),
    "coins": Source(SKIMAGE, "coins.png", TRAINING, "Greek coins", "Brooklyn Museum, no known restrictions"),
    "hubble": Source(SKIMAGE, "hubble_deep_field.jpg", TRAINING, "galaxies", "NASA, public domain"),
    "ihc": Source(SKIMAGE, "ihc.png", TRAINING, "stained tissue", "no known restrictions"),
    "grass": Source(SKIMAGE, "grass.png", TRAINING, "grass", "linolafett on DeviantArt, CC0"),
    "gravel": Source(SKIMAGE, "gravel.png", TRAINING, "gravel", "CC0Textures, CC0"),
    "china": Source(SKLEARN, "china.jpg", HELD_OUT, "a pagoda by a lake", "danielbuechele on Flickr, CC BY 2.0"),
    "astronaut": Source(SKIMAGE, "astronaut.png", HELD_OUT, "Eileen Collins", "NASA, public domain"),
    "camera": Source(SKIMAGE, "camera.png", HELD_OUT, "a cameraman", "Lav Varshney, CC0"),
    "coffee": Source(SKIMAGE, "coffee.png", HELD_OUT, "a cup of coffee", "Rachel Michetti, CC0"),
    "motorcycle_left": Source(SKIMAGE, "motorcycle_left.png", HELD_OUT, "a motorcycle", "Middlebury stereo 2014"),
    "motorcycle_right": Source(SKIMAGE, "motorcycle_right.png", HELD_OUT, "a motorcycle", "Middlebury stereo 2014"),
    "brick": Source(SKIMAGE, "brick.png", HELD_OUT, "bricks", "CC0Textures, CC0"),
    "page": Source(SKIMAGE, "page.png", HELD_OUT, "a printed page", "scikit-image authors, BSD"),
    "text": Source(SKIMAGE, "text.png", HELD_OUT, "handwritten formulas", "Wikipedia, public domain"),
    "moon": Source(SKIMAGE, "moon.png", HELD_OUT, "the surface of the moon", "NASA, public domain"),
    "retina": Source(SKIMAGE, "retina.jpg", HELD_OUT, "the fundus of an eye", "Mikael Häggström, CC0"),
    "cell": Source(SKIMAGE, "cell.png", HELD_OUT, "a cell in saline", "Müller et al., CC0"),
    "clock": Source(SKIMAGE, "clock_motion.png", HELD_OUT, "a moving clock", "Stefan van der Walt, public domain"),
}

STYLES = {
    "night": {
        "flower": Light(exposure=0.12, tint=(0.7, 0.85, 1.3), lamps=3, lamp_power=0.9, noise=0.03),
        "hopper": Light(exposure=0.08, tint=(0.6, 0.8, 1.4), lamps=2, lamp_power=0.7, noise=0.04),
        "coins": Light(exposure=0.10, tint=(0.6, 0.75, 1.3), lamps=4, lamp_power=0.6, noise=0.03),
        "hubble": Light(exposure=2.0),
    },
    "dusk": {
        "rocket": Light(),
        "flower": Light(exposure=0.45, tint=(1.35, 0.85, 0.65), gradient=0.6),
        "chelsea": Light(exposure=0.35, tint=(1.2, 0.8, 0.9), gradient=0.7, shadow=0.5),
        "gravel": Light(exposure=0.4, tint=(1.4, 0.9, 0.6), gradient=0.5),
    },
    "mist": {
        "rocket": Light(exposure=1.6, mist=0.6, saturation=0.6, blur=0.7),
        "hopper": Light(mist=0.7, saturation=0.5, blur=0.7),
        "chelsea": Light(mist=0.6, saturation=0.6, blur=0.7),
        "grass": Light(mist=0.5, tint=(0.95, 1.0, 1.0)),
    },
    "cloudy": {
        "hopper": Light(exposure=0.6, tint=(0.92, 0.98, 1.1), saturation=0.5, contrast=0.85),
        "flower": Light(exposure=0.7, tint=(0.9, 1.0, 1.12), saturation=0.55, contrast=0.85),
        "chelsea": Light(exposure=0.55, tint=(0.9, 0.98, 1.12), saturation=0.5, contrast=0.85),
        "gravel": Light(exposure=0.6, tint=(0.95, 1.0, 1.08), contrast=0.85),
    },
}
STYLE_LONGEST = 400


@cache
def load(name: str, use: str) -> np.ndarray:
    """Read a photograph (RGB, uint8, H x W x 3, read-only) that is intended for `use`.

    Raises:
        HndescError: the file or its package is missing or broken.
    """
    source = SOURCES[name]
    if source.use != use:
        raise ValueError(f"'{name}' is a {source.use} photograph, requested for {use}")
    module, folder = _FOLDERS[source.package]
    cure = f"reinstall it: pip install --force-reinstall {source.package}"
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise HndescError(f"the demo needs '{source.file}' of {source.package}, which is not installed; {cure}")
    path = Path(spec.submodule_search_locations[0], folder, source.file)
    try:
        photo = read_image(path)
    except ImageError as error:
        raise HndescError(f"the demo needs '{source.file}' of {source.package}: {error}; {cure}") from None
    photo.flags.writeable = False
    return photo


def make_photos(output: Path) -> None:
    """Write the training photos; the large Hubble photo is split into four."""
    for name, source in SOURCES.items():
        if source.use == TRAINING and name != "hubble":
            write_image(output / f"{name}.jpg", load(name, TRAINING))
    for index, quarter in enumerate(_quarters(load("hubble", TRAINING)), start=1):
        write_image(output / f"hubble_{index}.jpg", quarter)


def _quarters(image: np.ndarray) -> list[np.ndarray]:
    return [part for half in np.array_split(image, 2, axis=0) for part in np.array_split(half, 2, axis=1)]


def make_styles(output: Path, seed: int) -> None:
    """Write the style photos, one folder per class: training photos, unchanged or relit in linear light."""
    for style, lights in STYLES.items():
        for name, light in lights.items():
            photo, _ = resize_longest(load(name, TRAINING), STYLE_LONGEST)
            styled = photograph(to_linear(photo), light, generator(seed, f"styles/{style}/{name}"))
            write_image(output / style / f"{name}.jpg", styled, quality=92)
