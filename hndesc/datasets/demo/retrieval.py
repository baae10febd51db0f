"""A retrieval set in the layout of revisited Oxford: simulated views of held-out photographs on walls."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hndesc.datasets.demo.photographs import HELD_OUT, load
from hndesc.datasets.demo.relighting import Light, generator, photograph
from hndesc.datasets.views import mount_on_wall, view_homography, warp
from hndesc.io.files import atomic_path
from hndesc.io.images import resize_longest, write_image

SIZE = (480, 360)
LONGEST = 560
WALLS = ("moon", "retina", "cell")
# Number of views of a place by label.
VIEWS = {"easy": 3, "hard": 4, "junk": 1}


@dataclass(frozen=True)
class Place:
    """A place to retrieve: its photographs (several are real views from different positions) and query boxes.

    Attributes:
        sources: names of the photographs, of which views are taken in turn.
        boxes: (x1, y1, x2, y2) as fractions of the width and height of the photograph; one query each.
        easy: whether it has easy views.
    """

    sources: tuple[str, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    easy: bool = True


PLACES = {
    "pagoda": Place(("china",), ((0.15, 0.05, 0.65, 0.85), (0.2, 0.3, 0.65, 0.75))),
    "motorcycle": Place(("motorcycle_left", "motorcycle_right"), ((0.1, 0.2, 0.9, 0.95), (0.45, 0.15, 0.95, 0.9))),
    "astronaut": Place(("astronaut",), ((0.1, 0.0, 0.75, 1.0),)),
    "camera": Place(("camera",), ((0.1, 0.1, 0.75, 1.0),)),
    "coffee": Place(("coffee",), ((0.1, 0.05, 0.85, 0.95),)),
    "page": Place(("page",), ((0.0, 0.0, 1.0, 0.9),)),
    "bricks": Place(("brick",), ((0.1, 0.1, 0.9, 0.9),)),
    "formulas": Place(("text",), ((0.05, 0.0, 0.95, 1.0),), easy=False),
}

# Regions of held-out photographs that show no place: name -> boxes as fractions of width and height.
DISTRACTORS = {
    "moon": ((0.0, 0.0, 0.6, 0.6), (0.4, 0.4, 1.0, 1.0), (0.3, 0.0, 1.0, 0.5), (0.0, 0.5, 0.7, 1.0)),
    "retina": (
        (0.1, 0.2, 0.5, 0.6),
        (0.4, 0.3, 0.8, 0.7),
        (0.3, 0.0, 0.9, 0.5),
        (0.0, 0.0, 1.0, 1.0),
        (0.2, 0.5, 0.7, 1),
    ),
    "cell": ((0.0, 0.0, 1.0, 1.0), (0.3, 0.3, 1.0, 0.9)),
    "clock": ((0.0, 0.0, 1.0, 1.0), (0.2, 0.2, 0.8, 0.8)),
}

# Night, hard shadows, mist.
HARD_LIGHTS = (
    Light(
        exposure=0.02,
        tint=(0.6, 0.8, 1.4),
        lamps=2,
        lamp_power=0.3,
        saturation=0.7,
        blur=0.6,
        noise=0.04,
        quality=70,
    ),
    Light(exposure=0.5, tint=(1.3, 0.95, 0.7), gradient=0.8, shadow=0.85, blur=0.6, noise=0.04, quality=50),
    Light(exposure=0.8, mist=0.75, saturation=0.6, blur=0.8, noise=0.03, quality=60),
)


def make_retrieval(output: Path, seed: int) -> None:
    """Write `jpg/*.jpg` and `gnd_demo.pkl` (plain dicts, lists, str, int and float, as in the real files)."""
    database: list[tuple[str, np.ndarray, str, str]] = []
    queries: list[tuple[str, dict]] = []
    for place, what in PLACES.items():
        for index, box in enumerate(what.boxes):
            name = f"{place}_query_{index}"
            image, shown = _query(load(what.sources[0], HELD_OUT), box, generator(seed, f"retrieval/{name}"))
            write_image(output / "jpg" / f"{name}.jpg", image, quality=90)
            queries.append((name, {"place": place, "bbx": shown}))
        database += [(name, image, place, kind) for name, image, kind in _views(place, what, seed)]
    database += [(name, image, "", "") for name, image in _distractors(seed)]
    order = generator(seed, "retrieval/order").permutation(len(database))
    database = [database[index] for index in order]
    for name, image, _, _ in database:
        write_image(output / "jpg" / f"{name}.jpg", image, quality=90)
    _write_ground_truth(output / "gnd_demo.pkl", database, queries)


def _write_ground_truth(path: Path, database: list, queries: list) -> None:
    def rows(place: str, kind: str) -> list[int]:
        return [index for index, item in enumerate(database) if item[2:] == (place, kind)]

    gnd = [{"bbx": query["bbx"]} | {kind: rows(query["place"], kind) for kind in VIEWS} for _, query in queries]
    data = {"gnd": gnd, "imlist": [item[0] for item in database], "qimlist": [name for name, _ in queries]}
    with atomic_path(path) as temporary:
        temporary.write_bytes(pickle.dumps(data, protocol=3))


def _query(source: np.ndarray, box: tuple, rng: np.random.Generator) -> tuple[np.ndarray, list[float]]:
    """Take a frontal view of a place; return the image and the query box in its pixels."""
    source, _ = resize_longest(source, LONGEST)
    height, width = source.shape[:2]
    zoom = min(0.9 * SIZE[0] / width, 0.9 * SIZE[1] / height, 1.0)
    image, view = _take(source, rng, zoom, tuple(rng.uniform(-4, 4, 3)), Light(noise=0.02))
    corners = np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]) * (width, height)
    x, y = _project(view, corners).T
    box = (max(0.0, x.min()), max(0.0, y.min()), min(SIZE[0] - 1.0, x.max()), min(SIZE[1] - 1.0, y.max()))
    return image, [round(float(value), 1) for value in box]


def _views(place: str, what: Place, seed: int) -> list[tuple[str, np.ndarray, str]]:
    views = []
    # Random numbers, so that names do not reveal the label.
    numbers = iter(generator(seed, f"retrieval/{place}").choice(10**6, sum(VIEWS.values()), replace=False))
    for kind, count in VIEWS.items():
        for index in range(count if what.easy or kind != "easy" else 0):
            rng = generator(seed, f"retrieval/{place}/{kind}/{index}")
            source, _ = resize_longest(load(what.sources[(index + 1) % len(what.sources)], HELD_OUT), LONGEST)
            views.append((f"{place}_{next(numbers):06d}", _VIEWERS[kind](source, rng), kind))
    return views


def _easy(source: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tint = (rng.uniform(0.9, 1.1), 1.0, rng.uniform(0.9, 1.1))
    light = Light(exposure=rng.uniform(0.6, 1.4), tint=tint, gradient=0.3, noise=0.03)
    angles = (rng.uniform(-12, 12), rng.uniform(-20, 20), rng.uniform(-25, 25))
    return _take(source, rng, _fit(source) * rng.uniform(0.75, 1.0), angles, light)[0]


def _hard(source: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    light = HARD_LIGHTS[rng.integers(len(HARD_LIGHTS))]
    signs = rng.choice([-1, 1], 3)
    angles = signs * (rng.uniform(10, 35), rng.uniform(15, 45), rng.uniform(20, 45))
    return _take(source, rng, _fit(source) * rng.uniform(0.5, 0.85), tuple(angles), light)[0]


def _junk(source: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angles = (rng.uniform(-20, 20), rng.uniform(-30, 30), rng.uniform(-30, 30))
    light = Light(exposure=0.6, mist=0.6, blur=1.8, noise=0.05, quality=40)
    return _take(source, rng, _fit(source) * rng.uniform(0.2, 0.3), angles, light)[0]


_VIEWERS = {"easy": _easy, "hard": _hard, "junk": _junk}


def _distractors(seed: int) -> list[tuple[str, np.ndarray]]:
    images = []
    total = sum(map(len, DISTRACTORS.values()))
    numbers = iter(generator(seed, "retrieval/other").choice(10**6, total, replace=False))
    for name, boxes in DISTRACTORS.items():
        source = load(name, HELD_OUT)
        height, width = source.shape[:2]
        for index, box in enumerate(boxes):
            rng = generator(seed, f"retrieval/distractor/{name}/{index}")
            left, top, right, bottom = (
                round(share * side) for share, side in zip(box, 2 * (width, height), strict=True)
            )
            part, _ = resize_longest(source[top:bottom, left:right], LONGEST)
            images.append((f"other_{next(numbers):06d}", (_easy, _hard)[index % 2](part, rng)))
    return images


def _fit(source: np.ndarray) -> float:
    """Return the largest zoom, at most 1, that shows the whole photograph."""
    return min(SIZE[0] / source.shape[1], SIZE[1] / source.shape[0], 1.0)


def _take(
    source: np.ndarray, rng: np.random.Generator, zoom: float, angles: tuple[float, float, float], light: Light
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate a view of a photograph on a wall; return the image and the homography from the photograph to it."""
    longest = max(source.shape[:2])
    small, factors = resize_longest(source, round(min(1.0, 1.2 * zoom) * longest))
    zoom = zoom * longest / max(small.shape[:2])
    height, width = small.shape[:2]
    margin = round(0.7 * max(SIZE) / zoom)
    wall = load(WALLS[rng.integers(len(WALLS))], HELD_OUT)
    wall = np.rot90(wall, int(rng.integers(4)))
    canvas = mount_on_wall(small, wall, margin, tuple(rng.uniform(0.5, 1.5, 3)))
    center = np.array([width - 1, height - 1]) / 2 + margin + rng.uniform(-0.08, 0.08, 2) * (width, height)
    view = view_homography(tuple(center), SIZE, zoom, *angles)
    offset = (factors - 1) / 2 + margin
    resizing = np.array([[factors[0], 0, offset[0]], [0, factors[1], offset[1]], [0, 0, 1]])
    return photograph(warp(canvas, view, SIZE), light, rng), view @ resizing


def _project(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    projected = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return projected[:, :2] / projected[:, 2:]
