"""A photo whose name is given for an output by mistake is refused before the work and keeps its bytes."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from hndesc.cli.main import main
from hndesc.errors import HndescError
from hndesc.extraction.pair_export import export_pair_torchscript
from hndesc.io.files import check_output_files
from hndesc.io.hdf5 import create_hdf5, written_hdf5
from hndesc.io.lists import write_pairs, write_table
from hndesc.models.checkpoint import check_checkpoint
from hndesc.models.keypoint_network import check_weights
from hndesc.models.onnx_export import check_onnx_output
from hndesc.visualization.style import check_figure, figure

COMMANDS = [
    "extract {photos} {mine}.jpg --model hndesc-lite",
    "match {photos}/0.png {photos}/1.png --output {mine}.jpg",
    "match {photos}/0.png {photos}/1.png --output {mine}.png",
    "export-onnx hndesc-lite {mine}.onnx",
    "pairs {photos} {mine}.txt",
    "bench {photos}/0.png --output {mine}.json",
    "shortlist {photos} {mine}.h5",
]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        image = np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    (folder / "jpg").mkdir()
    truth = {"bbx": [0, 0, 9, 9], "easy": [0], "hard": [], "junk": []}
    (folder / "gnd_few.pkl").write_bytes(pickle.dumps({"imlist": ["0"], "qimlist": ["0"], "gnd": [truth]}))
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_photo_given_as_output_is_kept(photos: Path, tmp_path: Path, command: str, capsys) -> None:
    arguments = command.format(photos=photos, mine=tmp_path / "mine").split()
    mine = next(tmp_path / Path(one).name for one in arguments if Path(one).stem == "mine")
    content = (photos / "0.png").read_bytes()
    mine.write_bytes(content)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code not in (0, None)
    assert "not made by hndesc" in capsys.readouterr().err
    assert mine.read_bytes() == content


BINARIES = {
    ".safetensors": [check_checkpoint, check_weights],
    ".onnx": [lambda path: check_onnx_output(path, [], "float32")],
    ".pt": [lambda path: export_pair_torchscript("no.safetensors", path)],
    ".png": [check_figure],
    ".svg": [check_figure],
}


@pytest.mark.parametrize("suffix", BINARIES)
def test_notes_are_no_binary_file_of_ours(tmp_path: Path, suffix: str) -> None:
    mine = tmp_path / f"mine{suffix}"
    mine.write_text("notes\n")
    for check in BINARIES[suffix]:
        with pytest.raises(HndescError, match=r"mine\..*: exists and was not made by hndesc"):
            check(mine)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".svg", ".pdf"])
def test_a_figure_of_ours_is_drawn_again(tmp_path: Path, suffix: str) -> None:
    for _ in range(2):
        with figure(tmp_path / f"a{suffix}", 1, 1) as drawing:
            drawing.subplots().plot([0, 1])


def test_hdf5_files_of_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with create_hdf5(path) as file:
        file["measurements"] = np.arange(3)
    content = path.read_bytes()
    with pytest.raises(HndescError, match="not made by hndesc"), written_hdf5(path):
        pass
    assert path.read_bytes() == content
    (tmp_path / "b.h5").touch()  # as mktemp leaves it
    for value in range(2):
        with written_hdf5(tmp_path / "b.h5") as file:
            file.attrs["settings"] = "{}"
            file["value"] = value


WRITERS = {
    "pairs": lambda path: write_pairs(path, [("a", "b")]),
    "table": lambda path: write_table(path, ["a"], [["b"]]),
    "scores": lambda path: check_output_files([path]),
    "weights": check_checkpoint,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_lists_scores_and_weights_replace_no_photo(tmp_path: Path, write) -> None:
    path = tmp_path / "mine.safetensors"
    content = cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes()
    path.write_bytes(content)
    with pytest.raises(HndescError, match=r"mine\.safetensors: exists and was not made by hndesc"):
        write(path)
    assert path.read_bytes() == content
