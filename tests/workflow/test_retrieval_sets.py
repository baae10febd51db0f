"""Retrieval beyond the demo: place folders with distractors in shards, Tokyo 24/7 with a published ranking."""

import json
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
import skimage.data

from hndesc.datasets.tokyo247 import LISTS, POSITIONS, TOP
from hndesc.io.images import write_image

from .conftest import Checkout, make_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

PLACES = ("astronaut", "coffee", "chelsea")
CONFIG = """
photos: own/training
descriptors: [sift]
benchmarks:
  - name: mine
    kind: retrieval
    layout: places
    dataset: own/places
    distractors: own/others
    candidates_only: true
    shards: 2
    precision: float16
    max_keypoints: 300
    resize_max: 320
    shortlist: {descriptor: color_gradient, whitening: 3}
    settings: {estimator: magsac, top: 6}
  - name: tokyo
    kind: tokyo247
    dataset: own/tokyo
    max_keypoints: 300
    shortlist: {ranking: own/tokyo/netvlad.mat}
"""


def view(name: str, number: int) -> np.ndarray:
    """A view of a photo, moved and turned a little."""
    image = cv2.resize(getattr(skimage.data, name)(), (320, 240), interpolation=cv2.INTER_AREA)
    turn = cv2.getRotationMatrix2D((160, 120), 4.0 * number, 1 + 0.05 * number)
    return cv2.warpAffine(image, turn, (320, 240), borderMode=cv2.BORDER_REFLECT)


def write_tokyo(root: Path) -> None:
    """Three places 100 m apart with two views each; the ranking puts the views of the next place first."""
    names = [f"0381/{place}/{name}_{number}" for place, name in enumerate(PLACES) for number in (1, 2)]
    lists = {"database": [f"./{TOP}/{name}.png" for name in names]}
    lists["queries"] = [f"./{TOP}/247query_v3/{name}.jpg" for name in PLACES]
    for index, line in enumerate(lists["database"]):
        write_image(root / line, view(PLACES[index // 2], index % 2 + 1))
    for line, name in zip(lists["queries"], PLACES, strict=True):
        write_image(root / line, view(name, 0))
    for key, lines in lists.items():
        (root / LISTS[key]).write_text("\n".join(lines) + "\n")
    positions = np.array([[100.0 * (index // 2), 5.0] for index in range(6)])
    np.savez(root / POSITIONS, utmDb=positions, utmQ=positions[::2] + 3, posDistThr=25)
    entries = np.zeros((1, 3), [("query", object), ("views", object)])
    for place, name in enumerate(PLACES):
        cells = np.empty((1, 6), object)
        cells[0] = [names[(2 * place + 2 + index) % 6] + ".png" for index in range(6)]
        entries[0, place] = (f"{name}.jpg", cells)
    scipy.io.savemat(root / "netvlad.mat", {"ImgList": entries})


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = make_checkout(tmp_path_factory.mktemp("retrieval") / "hndesc")
    own = checkout.path("own")
    for name in PLACES:
        for number in range(3):
            write_image(own / "places" / name / f"{number}.jpg", view(name, number))
    (own / "places" / "coffee" / "cut.jpg").write_bytes((own / "places" / "coffee" / "1.jpg").read_bytes()[:4000])
    for number in range(8):
        write_image(own / "training" / f"{number}.jpg", view("rocket", number))
        write_image(own / "others" / f"{number}.jpg", np.roll(view("rocket", number), 40 * number, axis=1))
    (own / "others" / "broken.jpg").write_bytes(b"no photo")
    write_tokyo(own / "tokyo")
    overlay = checkout.path("own.yaml")
    overlay.write_text(CONFIG)
    checkout.run("results/mine.txt", "results/tokyo.txt", "results/summary.txt", configfile=overlay)
    return checkout


def test_place_folders_are_ranked_among_distractors(ranked: Checkout) -> None:
    result = json.loads(ranked.path("results/mine.json").read_text())
    assert result["database"] == {"photos": 10, "distractors": 9}
    assert result["settings"]["estimator"] == "magsac" and result["shortlist"]["whitening"]["dimensions"] == 3
    assert result["features"]["precision"] == "float16"
    # cut.jpg is a photo by its header: it counts as a place's photo that nobody finds, and as a query without a ranking
    assert "query/coffee__cut" in result["failures"]["features"]
    assert "db/distractors/broken.jpg" in result["failures"]["global_descriptor"]
    scores = [query["after"]["easy"] for name, query in result["per_query"].items() if "coffee" not in name]
    assert scores == [1.0] * 6


def test_shards_are_gathered_and_only_candidates_described(ranked: Checkout) -> None:
    folder = ranked.path("results/features/mine")
    assert [path.name for path in folder.iterdir()] == ["sift.h5"]
    with h5py.File(folder / "sift.h5") as file, h5py.File(ranked.path("results/shortlists/mine.h5")) as shortlist:
        names = [name.decode() for name in shortlist["database"][()]]
        heads = np.unique(shortlist["ranks"][()][:, :6])
        assert "distractors/broken.jpg" not in file["db"]
        for index, name in enumerate(names):
            assert (name in file["db"]) == (index in heads), name
        assert len(file["query"]) == 10


def test_published_ranking_of_tokyo_is_reranked(ranked: Checkout) -> None:
    result = json.loads(ranked.path("results/tokyo.json").read_text())
    assert result["figures_before"]["recall"] == {"1": 0.0, "5": 1.0, "10": 1.0, "20": 1.0}
    assert result["figures"]["recall"] == {"1": 1.0, "5": 1.0, "10": 1.0, "20": 1.0}
    assert "recall re-ranked (%) @1" in ranked.path("results/summary.txt").read_text()
