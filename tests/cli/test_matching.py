"""Matching two photos from the command line."""

import json
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import hndesc
from hndesc.cli.main import main
from hndesc.errors import HndescError
from hndesc.io.images import write_image
from tests.cli.test_main import texture


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A texture, and the same moved by 12 and 8 pixels."""
    folder = tmp_path_factory.mktemp("pair")
    image = texture(0, 240, 320)
    write_image(folder / "left.png", image[:-8, :-12])
    write_image(folder / "right.png", image[8:, 12:])
    return folder / "left.png", folder / "right.png"


def test_the_estimate_is_printed_written_and_drawn(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    figure, matches = tmp_path / "m.png", tmp_path / "m.json"
    main(["match", *map(str, pair), "--model", "sift", "--output", str(figure), "--matches", str(matches)])
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(matches.read_text())
    inliers, count = sum(found["inliers"]), len(found["matches"])
    assert lines[0] == f"left.png: {len(found['keypoints0']):,} keypoints" and lines[2] == f"{count:,} matches"
    assert lines[3].startswith(
        f"homography: {inliers:,} inliers ({inliers / count:.0%}), MAGSAC++, 3 px; chosen because"
    )
    assert lines[-2:] == [str(matches), str(figure)]
    assert found["geometry"] == "homography" and inliers > 50
    np.testing.assert_allclose(found["matrix"], [[1, 0, -12], [0, 1, -8], [0, 0, 1]], atol=0.05)
    # White between and around the images, but no empty band: at most a tenth of the rows below the titles.
    drawn = cv2.imread(str(figure))
    filled = np.flatnonzero((drawn < 250).any(axis=(1, 2)))
    assert len(drawn) - filled[-1] < 0.03 * len(drawn)


@pytest.mark.parametrize("geometry", ["fundamental", "essential", "none"])
def test_every_geometry_can_be_chosen(
    pair: tuple[Path, Path], tmp_path: Path, geometry: str, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "m.npz"
    arguments = ["--model", "sift", "--geometry", geometry, "--matches", str(path), "--estimator", "ransac"]
    main(["match", *map(str, pair), *arguments])
    with np.load(path) as found:
        assert found["geometry"] == geometry and np.isnan(found["matrix"]).all() == (geometry == "none")
    assert ("matrix" in capsys.readouterr().out) == (geometry != "none")


def test_essential_matrix_of_given_cameras(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def note(*_: object, intrinsics: tuple[np.ndarray, np.ndarray], **__: object) -> None:
        used.append(np.array(intrinsics))
        raise HndescError("noted")

    monkeypatch.setattr("hndesc.extraction.photo_pair.match_pair", note)
    usual = "SIMPLE_RADIAL 308 232 369.6 154 116 0"  # what photos without EXIF data have
    one_of_two = ["--camera", usual, "--camera", "PINHOLE 616 464 600 500 308 232"]  # of a photo of twice the size
    for options in ([], ["--camera", usual], one_of_two):
        with pytest.raises(SystemExit):
            main(["match", *map(str, pair), "--model", "sift", "--geometry", "essential", *options])
    np.testing.assert_allclose(used[0], [[[369.6, 0, 153.5], [0, 369.6, 115.5], [0, 0, 1]]] * 2)
    np.testing.assert_allclose(used[1], used[0])
    np.testing.assert_allclose(used[2], [used[0][0], [[300, 0, 153.5], [0, 250, 115.5], [0, 0, 1]]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--camera 'PINHOLE 308 232 300 300 154 116'", "--camera is for --geometry essential"),
        ("--geometry essential --camera 'SIMPLE_RADIAL 308 232 300 154 116 .1'", "undistort the photos"),
        ("--geometry essential --camera 'PINHOLE 232 308 300 300 116 154'", "different aspect ratio"),
        ("--geometry essential" + 3 * " --camera 'PINHOLE 308 232 300 300 154 116'", "given 3 times"),
    ],
)
def test_a_camera_that_does_not_fit(
    pair: tuple[Path, Path], options: str, message: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        main(["match", *map(str, pair), "--model", "sift", "--one-view", *shlex.split(options)])
    assert message in capsys.readouterr().err


def test_a_photo_without_keypoints_is_no_other_place(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_image(tmp_path / "1.png", np.zeros((1, 1, 3), np.uint8))
    write_image(tmp_path / "2.png", texture(2, 240, 320))
    main(["match", str(tmp_path / "1.png"), str(tmp_path / "2.png"), "--model", "sift"])
    out = capsys.readouterr().out
    assert "1.png: 0 keypoints" in out and "a photo has no keypoints" in out and "different places" not in out


def test_unrelated_photos_are_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for seed in (1, 2):
        write_image(tmp_path / f"{seed}.png", texture(seed, 240, 320))
    main(["match", str(tmp_path / "1.png"), str(tmp_path / "2.png"), "--model", "sift"])
    out = capsys.readouterr().out
    assert "do not rely on this estimate" in out or "may show different places" in out


def test_python_finds_the_same(pair: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    main(["match", *map(str, pair), "--one-view", "--matches", str(path)])
    found = hndesc.load().match(*pair, views=False)
    with np.load(path) as written:
        assert np.array_equal(written["matches"], found.matches) and np.array_equal(written["matrix"], found.matrix)
    assert found.geometry == "homography" and repr(found).endswith("geometry='homography')")
    essential = hndesc.load().match(*pair, views=False, geometry="essential")
    assert essential.geometry == "essential" and essential.inliers.sum() >= found.inliers.sum() * 0.9


def test_fetched_weights_need_not_be_named(
    pair: tuple[Path, Path],
    tmp_path: Path,
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["match", *map(str, pair), "--model", "xfeat", "--detector", "xfeat", "--one-view"])
    (tmp_path / "data" / "weights").mkdir(parents=True)
    shutil.copy(shared / "weights" / "xfeat.pt", tmp_path / "data" / "weights" / "xfeat.pt")
    main(["match", *map(str, pair), "--model", "xfeat", "--detector", "xfeat", "--one-view"])
    assert "inliers" in capsys.readouterr().out


def test_views_are_compensated(pair: tuple[Path, Path]) -> None:
    model = hndesc.load(max_keypoints=300)
    turned = np.ascontiguousarray(np.rot90(cv2.imread(str(pair[1]))[..., ::-1]))
    found = model.match(pair[0], turned)
    assert found.inliers.sum() > 2 * model.match(pair[0], turned, views=False).inliers.sum()


def test_wrong_arguments_of_python(pair: tuple[Path, Path]) -> None:
    with pytest.raises(HndescError, match="unknown geometry 'affine'"):
        hndesc.load().match(*pair, views=False, geometry="affine")
