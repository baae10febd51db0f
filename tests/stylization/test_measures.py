"""The measuring step on copies whose structure is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.files import read_json
from hndesc.io.images import write_image
from hndesc.stylization.measures import measure_stylization
from hndesc.stylization.tables import Copy, write_tables


def random_image(seed: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 20, 230, cv2.NORM_MINMAX)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    photos, stylized = tmp_path / "photos", tmp_path / "stylized"
    rows = []
    for index in range(6):
        photo = random_image(index)
        write_image(photos / f"{index}.png", photo)
        kept = index % 2 == 0
        copy = photo // 2 + 40 if kept else random_image(index + 100)
        write_image(stylized / f"{index}.png", copy)
        rows.append(
            Copy(f"{index}.png", f"{index}.png", "", "dusk" if index < 4 else "night", "good" if kept else "bad")
        )
    write_tables(stylized, rows, [])
    return photos, stylized


def test_separates_kept_structure_from_lost(folders: tuple[Path, Path], tmp_path: Path) -> None:
    measure_stylization(*folders, tmp_path / "out.json", contrast_threshold=0.0)
    methods = read_json(tmp_path / "out.json")["methods"]
    assert methods["good"]["edge_similarity"] > 0.95
    assert methods["good"]["repeatability"] > 0.9
    assert methods["bad"]["edge_similarity"] < 0.5
    assert methods["bad"]["repeatability"] < 0.6
    assert {name: figures["copies"] for name, figures in methods["good"]["classes"].items()} == {"dusk": 2, "night": 1}
    classes = methods["bad"]["classes"]
    assert methods["bad"]["edge_similarity"] == pytest.approx(
        sum(c["copies"] * c["edge_similarity"] for c in classes.values()) / 3, abs=1e-3
    )


def test_sample_copies_of_another_size_and_tiny_ones(folders: tuple[Path, Path], tmp_path: Path) -> None:
    photos, stylized = folders
    write_image(stylized / "0.png", cv2.resize(random_image(0), (80, 60), interpolation=cv2.INTER_AREA))
    measure_stylization(photos, stylized, tmp_path / "out.json", count=1)
    methods = read_json(tmp_path / "out.json")["methods"]
    assert list(methods) == ["good"]
    assert methods["good"]["copies"] == 1
    assert methods["good"]["edge_similarity"] > 0.99
    write_image(stylized / "0.png", random_image(0)[:9, :9])
    with pytest.raises(HndescError, match="no copy is at least 16 pixels"):
        measure_stylization(photos, stylized, tmp_path / "out.json", count=1)
