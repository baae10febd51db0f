"""Folders of kapture, read back by a reader of the format's documentation."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from hndesc.cli.main import main
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features
from hndesc.io.images import write_image
from hndesc.localization.matches import MatchReader, match_listed
from hndesc.reconstruction.kapture_export import export_kapture
from tests.fixtures.synthetic import Synthetic, write_features

PAIRS = [("db/0.jpg", "db/1.jpg"), ("db/2.jpg", "db/1.jpg"), ("db/0.jpg", "query/day/cam/d0.jpg")]


@pytest.fixture
def files(exact: Synthetic, tmp_path: Path) -> tuple[Path, Path]:
    """Features and matches of a scene without noise."""
    match_listed(PAIRS, exact.features, tmp_path / "matches.h5", place=exact.root)
    return exact.features, tmp_path / "matches.h5"


def read_rows(path: Path) -> list[list[str]]:
    first, *lines = path.read_text().splitlines()
    assert first == "# kapture format: 1.1"
    return [[cell.strip() for cell in line.split(",")] for line in lines if line.strip() and line[0] != "#"]


def read_arrays(folder: Path, suffix: str) -> dict[str, np.ndarray]:
    """Read the arrays of all images in the form that the text file beside them states."""
    ((_, kind, size, *_),) = read_rows(folder / f"{folder.parent.name}.txt")
    paths = folder.rglob(f"*{suffix}")
    names = {str(path.relative_to(folder)).removesuffix(suffix): path for path in paths}
    return {name: np.fromfile(path, kind).reshape(-1, int(size)) for name, path in names.items()}


def test_a_folder_has_everything(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "kapture"
    main(["export-kapture", *map(str, files), str(output)])
    assert capsys.readouterr().out == f"{output}: 15 images, 3,000 keypoints, 3 matched pairs, 600 matches\n"
    sensors, records = (read_rows(output / "sensors" / name) for name in ("sensors.txt", "records_camera.txt"))
    assert sensors == [["camera1", "", "camera", "SIMPLE_RADIAL", "640", "480", "768.0", "320.0", "240.0", "0.0"]]
    with FeatureReader(files[0]) as reader, MatchReader(files[1]) as matches:
        assert [row[1:] for row in records] == [["camera1", name] for name in reader.names()]
        assert len({row[0] for row in records}) == 15
        keypoints = read_arrays(output / "reconstruction" / "keypoints" / "exact", ".kpt")
        descriptors = read_arrays(output / "reconstruction" / "descriptors" / "descriptor", ".desc")
        assert sorted(keypoints) == sorted(descriptors) == reader.names()
        for name in keypoints:
            found = reader.read(name)
            np.testing.assert_allclose(keypoints[name], found.keypoints + 0.5, atol=1e-4)
            assert np.array_equal(descriptors[name], found.descriptors)
        assert len(list(output.rglob("*.matches"))) == 3
        for first, second in map(sorted, PAIRS):
            path = output / "reconstruction" / "matches" / "exact" / f"{first}.overlapping" / f"{second}.matches"
            values = np.fromfile(path, "<f8").reshape(-1, 3)
            assert np.array_equal(values[:, :2], matches.read(first, second))
            np.testing.assert_allclose(values[:, 2], 1.0, atol=1e-3)  # cosines of equal descriptors


def test_images_are_linked_and_an_older_export_is_replaced(tmp_path: Path) -> None:
    photos, features, matches, output = (tmp_path / name for name in ("photos", "f.h5", "m.h5", "out"))
    for name in ("a b.jpg", "c/d.jpg"):
        write_image(photos / name, np.full((40, 60, 3), 90, np.uint8))
    points = np.array([[3.0, 4.0]], np.float32)
    one = Features(points, (60, 40), np.ones(1, np.float32), np.ones((1, 1), np.float32), orientation=1)
    write_features(features, {"a b.jpg": one, "c/d.jpg": one})
    match_listed([("c/d.jpg", "a b.jpg")], features, matches, place=photos)
    for _ in range(2):
        assert export_kapture(features, matches, output, photos)["matches"] == 1
        assert (output / "sensors" / "records_data" / "c" / "d.jpg").samefile(photos / "c" / "d.jpg")
    (output / "mine.txt").write_text("mine")
    with pytest.raises(HndescError, match=r"mine\.txt"):
        export_kapture(features, matches, output, photos)
    assert (output / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"), [("a, b.jpg", "has a comma"), ("../../c.jpg", "is not the name of a file in the folder")]
)
def test_names_that_a_folder_cannot_have(tmp_path: Path, name: str, message: str) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file, h5py.File(tmp_path / "m.h5", "w") as other:
        file[f"{name}/keypoints"] = np.zeros((1, 2), np.float32)
        other["a/b/matches0"] = np.zeros(1, np.int16)
    with pytest.raises(HndescError, match=message):
        export_kapture(tmp_path / "f.h5", tmp_path / "m.h5", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.h5", "m.h5"]
