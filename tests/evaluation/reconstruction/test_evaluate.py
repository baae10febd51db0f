"""Scores of a reconstruction, with and without measured cameras."""

from pathlib import Path

import pytest

from hndesc.datasets.photo_sets import photo_folder, photo_images
from hndesc.errors import HndescError
from hndesc.evaluation.reconstruction.evaluate import score_reconstruction
from hndesc.extraction.description import extract
from hndesc.io.lists import read_pairs
from hndesc.localization.matches import match_listed
from hndesc.reconstruction.build import build_reconstruction
from hndesc.reconstruction.pairs import pair_photos
from hndesc.visualization.comparison import reconstruction_figures
from hndesc.visualization.reconstructions import plot_models
from hndesc.visualization.results import Result
from tests.fixtures.corner import photograph_corner
from tests.fixtures.sharing import make_once


def reconstruct(folder: Path) -> None:
    root = folder / "scene"
    photograph_corner(root, count=5)
    photos = photo_images(root)
    extract(photos, folder / "features.h5", "sift", max_keypoints=500)
    pair_photos(photos, folder / "pairs.txt")
    pairs = list(read_pairs(folder / "pairs.txt"))
    match_listed(pairs, folder / "features.h5", folder / "matches.h5", place=root)
    files = folder / "features.h5", folder / "matches.h5", folder / "pairs.txt"
    build_reconstruction(photos, photo_folder(root), *files, folder / "model", min_model_size=3, seed=0)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_once(tmp_path_factory, "built", reconstruct)


def test_steps_give_scores_against_measured_cameras(built: Path, tmp_path: Path) -> None:
    record = score_reconstruction(built / "scene", built / "model", tmp_path / "s.txt", tmp_path / "s.json")
    assert record["figures"]["registered"] == record["figures"]["images"] == 5
    assert record["figures"]["median_position_share"] < 0.01 and len(record["per_image"]) == 5
    text = (tmp_path / "s.txt").read_text()
    assert text.startswith("registered: 5 of 5 images in 1 model\n") and "% of the mean camera distance" in text
    figures = {
        figure.name: figure.read(Result(tmp_path / "s.json"))
        for figure in reconstruction_figures(Result(tmp_path / "s.json"))
    }
    assert figures["registered (%)"] == 100 and figures["points"] > 100
    plot_models(built / "model", tmp_path / "figures")
    assert sorted(path.name for path in (tmp_path / "figures").glob("*.*")) == [
        ".made_by_hndesc.json",
        "model_0.html",
        "model_0.png",
    ]


def test_photos_without_measured_cameras_have_no_errors(built: Path, tmp_path: Path) -> None:
    root = photo_folder(built / "scene")
    record = score_reconstruction(root, built / "model", tmp_path / "s.txt", tmp_path / "s.json", name="mine")
    assert "median_position_share" not in record["figures"] and record["benchmark"] == "mine"
    assert len((tmp_path / "s.txt").read_text().splitlines()) == 2
    with pytest.raises(HndescError, match="none: no such folder"):
        score_reconstruction(root / "none", built / "model", tmp_path / "s.txt", None)
