"""The command line as a user types it."""

import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from hndesc.cli.main import main
from hndesc.io.features import FeatureReader
from hndesc.io.images import write_image
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model
from tests.fixtures.commands import commands

ROOT = Path(__file__).resolve().parents[2]


def hndesc(*arguments: str | Path) -> subprocess.CompletedProcess:
    return commands("torch", "cv2", "h5py", "PIL.Image").run("hndesc.cli.main:main", *arguments, folder=ROOT)


def texture(seed: int, height: int = 160, width: int = 200) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sequence of each class whose images are all the same photo, and whose homographies say so."""
    root = tmp_path_factory.mktemp("sequences")
    for seed, name in enumerate(("v_same", "i_same")):
        for number in range(1, 7):
            write_image(root / name / f"{number}.ppm", texture(seed))
            if number > 1:
                np.savetxt(root / name / f"H_1_{number}", np.eye(3))
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "lite.safetensors"
    save_checkpoint(path, build_model("lite", "random", seed=0), {"settings": {}, "data": {}, "seed": 0, "metrics": {}})
    return path


def test_extract_then_score(sequences: Path, checkpoint: Path, tmp_path: Path) -> None:
    features, scores, figures = tmp_path / "f.h5", tmp_path / "s.txt", tmp_path / "s.json"
    done = hndesc("extract", sequences, features, "--model", checkpoint, "--max-keypoints", "50", "--resize-max", "180")
    assert done.returncode == 0, done.stderr
    with FeatureReader(features) as reader:
        assert len(reader.names()) == 12 and 0 < len(reader.read("v_same/1.ppm")) <= 50
        assert reader.settings["resize_max"] == 180
    done = hndesc("score", "hpatches", sequences, features, "--output", scores, "--json", figures)
    assert done.returncode == 0, done.stderr
    # Equal images have equal features: every match is right.
    assert "MMA@1 v/i/avg: 1.000 / 1.000 / 1.000" in done.stdout
    assert done.stdout == scores.read_text() and figures.exists()
    assert hndesc("score", "hpatches", sequences, features, "--output", scores).returncode == 0


@pytest.mark.slow
def test_second_protocol_with_every_estimator(sequences: Path, tmp_path: Path) -> None:
    resized, features, scores = tmp_path / "resized", tmp_path / "f.h5", tmp_path / "s.txt"
    done = hndesc("resize-sequences", sequences, resized, "--layout", "hpatches")
    assert done.returncode == 0 and done.stdout == f"{resized}\n", done.stderr
    assert hndesc("extract", resized, features, "--max-keypoints", "100").returncode == 0
    command = ["score", "hpatches", resized, features, "--output", scores, "--protocol", "480x640", "--threads", "2"]
    tables = [tmp_path / "all.csv", tmp_path / "sequences.csv"]
    done = hndesc(*command, "--estimator", "ransac", "poselib", "--csv", tables[0], "--sequences", tables[1])
    assert done.returncode == 0, done.stderr
    assert "Homography benchmark (poselib):\nth: 1 v/i/avg: 1.000 / 1.000 / 1.000\n" in done.stdout
    assert done.stdout.endswith("Matching score:\nth: 3 v/i/avg: 1.000 / 1.000 / 1.000\n")
    assert [len(table.read_text().splitlines()) for table in tables] == [1 + 10 + 4 + 12 + 3 + 6, 1 + 2]


def test_given_keypoints_are_described(sequences: Path, tmp_path: Path) -> None:
    keypoints, features = tmp_path / "k.h5", tmp_path / "f.h5"
    points = np.array([[20.5, 30.25], [100.0, 80.0], [150.0, 120.0]], np.float32)
    with h5py.File(keypoints, "w") as file:
        for path in sequences.rglob("*.ppm"):
            file[f"{path.relative_to(sequences).as_posix()}/keypoints"] = points
    done = hndesc("extract", sequences, features, "--keypoints", keypoints, "--model", "rootsift")
    assert done.returncode == 0, done.stderr
    with FeatureReader(features) as reader:
        read = reader.read("i_same/3.ppm")
    assert np.array_equal(read.keypoints, points) and read.descriptors.shape == (3, 128)


def test_single_images_are_extracted_by_their_names(sequences: Path, tmp_path: Path) -> None:
    images = [sequences / "v_same" / "1.ppm", sequences / "v_same" / "2.ppm", sequences / "i_same" / "2.ppm"]
    done = hndesc("extract", *images, tmp_path / "f.h5", "--model", "sift", "--max-keypoints", "20")
    assert done.returncode == 0, done.stderr
    with FeatureReader(tmp_path / "f.h5") as reader:
        assert reader.names() == sorted(["1.ppm", *(str(path).lstrip("/") for path in images[1:])])


def test_match_draws_a_image(sequences: Path, tmp_path: Path) -> None:
    figure = tmp_path / "m.png"
    done = hndesc("match", sequences / "v_same/1.ppm", sequences / "v_same/2.ppm", "--output", figure)
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(figure)).shape[1] > 400


@pytest.mark.parametrize("names", [("my photo (1).png", "Köln 駅 $x$.PNG"), ("\udce9.png", "a\nb.png")])
def test_match_takes_photos_of_any_name(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write_image(tmp_path / "a.png", texture(0))
        (tmp_path / "a.png").rename(tmp_path / name)
    done = hndesc(
        "match", *(tmp_path / name for name in names), "--output", tmp_path / "m.JPG", "--max-keypoints", "50"
    )
    assert done.returncode == 0 and (tmp_path / "m.JPG").stat().st_size > 10_000, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "{none}", "f.h5"], "none: no such folder of images"),
        (["extract", "{photos}", "f.h5", "--model", "orb"], "'orb' is neither a descriptor"),
        (["extract", "{photos}", "f.h5", "--detector", "orb"], "unknown detector 'orb'; choose one of: aliked"),
        (["extract", "{photos}", "f.h5", "--detector", "superpoint"], "that of a detector by --detector-weights"),
        (["match", "{photos}/v_same/1.ppm", "{none}.jpg", "--output", "m.png"], "none.jpg: no such image"),
        (["match", "{none}.jpg", "{none}.jpg", "--output", "m.xyz"], "m.xyz: not the name of a figure"),
        (["match", "{none}.jpg", "{none}.jpg", "--output", "m"], "m: not the name of a figure"),
        (["match", "{none}.jpg", "{none}.jpg", "--output", "{photos}"], "not the name of a figure"),
        (
            ["extract", "{photos}", "--keypoints", "{none}", "--max-keypoints", "5", "f.h5"],
            "--max-keypoints cannot be combined with",
        ),
        (
            ["extract", "{photos}", "--keypoints", "{none}", "--detector", "sift", "f.h5"],
            "--detector cannot be combined with",
        ),
        (
            ["extract", "{photos}", "--keypoints", "{none}", "--detector-weights", "w", "f.h5"],
            "-weights cannot be combined with",
        ),
        (["score", "hpatches", "{photos}", "{none}.h5", "--output", "s.txt"], "none.h5: no such feature file"),
    ],
)
def test_a_mistake_is_one_line(sequences: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    filled = [one.format(photos=sequences, none=tmp_path / "none") for one in arguments]
    done = hndesc(*filled[:-1], str(tmp_path / filled[-1]) if filled[-1].endswith((".txt", ".png")) else filled[-1])
    assert done.returncode == 1
    assert message in done.stderr and "Traceback" not in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "a", "b", "--max-keypoints", "0"], "'0' is not a positive integer"),
        (["extract", "a", "b", "--workers", "100000"], "100000 is more than "),
        (["match-pairs", "a", "b", "c", "--threads", "100000"], "times the number of cores"),
        (["reconstruct", "a", "b", "--seed", "2147483648"], "2147483648 is more than 2147483647"),
        (["localize", "a", "b", "--global-descriptor", "efficient_lite0"], "did you mean 'efficientnet_lite0'?"),
    ],
)
def test_options_out_of_bounds_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["extract"], ["score", "hpatches"], ["match"]])
def test_help(arguments: list[str]) -> None:
    done = hndesc(*arguments, "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: hndesc")


def test_a_reader_that_stops_reading_ends_the_command_in_silence() -> None:
    command = [sys.executable, "-c", "from hndesc.cli.main import main; main()", "datasets"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()  # before the command has written anything, as `head` does later
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_an_interrupt_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hndesc.datasets.listing.find_images", interrupt)
    with pytest.raises(SystemExit) as stopped:
        main(["extract", str(tmp_path), str(tmp_path / "f.h5"), "--model", "sift"])
    error = capsys.readouterr().err
    assert stopped.value.code == 130 and "interrupted" in error and error.count("\n") == 1
